import type { TablePlan } from '../schema/plan.ts';
import type { Change, Key } from '../store/store.ts';
import type { Encoding } from './encode.ts';
import { Group } from './group.ts';
import type { Selection } from './selection.ts';

/** All subscriptions to one table or one record, in groups that share their bytes. */
export class Channel {
  readonly table: TablePlan;
  /** The record, or undefined for the channel of the table. */
  readonly id: Key | undefined;
  readonly groups: Group[] = [];

  constructor(table: TablePlan, id: Key | undefined) {
    this.table = table;
    this.id = id;
  }

  get audience(): number {
    return this.groups.reduce((sum, { live, behind }) => sum + live.length + behind, 0);
  }

  group(encoding: Encoding, selection: Selection, head: number): Group {
    const same = this.groups.find(
      (group) => group.encoding.key === encoding.key && group.selection.key === selection.key,
    );
    if (same !== undefined) return same;
    const group = new Group(encoding, selection, head);
    this.groups.push(group);
    return group;
  }

  /** Takes a committed change; `serve` is called for each group that has something to send. */
  append(change: Change, serve: (group: Group) => void): void {
    for (const group of this.groups) if (group.append(change)) serve(group);
  }

  removeIfEmpty(group: Group): void {
    if (group.live.length + group.behind > 0) return;
    const index = this.groups.indexOf(group);
    if (index >= 0) this.groups.splice(index, 1);
  }
}
