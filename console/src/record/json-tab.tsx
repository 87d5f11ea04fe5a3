import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { change, discard, draftOf, draftsOf } from '../edits/drafts.ts';
import { writable } from '../edits/values.ts';
import type { Rec } from '../grid/segment.ts';
import { copyText } from '../parts/copy.ts';
import { FieldError } from '../parts/field-error.tsx';
import { Icon } from '../parts/icon.tsx';
import { isEqual } from '../state/text.ts';
import { canWrite } from '../state/view.ts';
import type { TableController } from '../table/controller.ts';
import type { LiveRecord } from './live-record.ts';

interface Props {
  readonly table: TableController;
  readonly live: LiveRecord;
}

/** The record as JSON, in an editor that is loaded when it is needed. What is typed waits like the changes of the form. */
export function JsonTab({ table, live }: Props): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const problem = useSignal<string | undefined>(undefined);
  const record = live.record.value;
  useEffect(() => {
    if (record === undefined || host.current === null) return;
    let isOver = false;
    let close = () => {};
    const draft = draftsOf(table.app, table.table.name).peek().get(live.key);
    const text = JSON.stringify(writable(table.table, { ...record, ...draft?.changes }), null, 2);
    const element = host.current;
    void import('./json-editor.ts').then(({ openJsonEditor }) => {
      if (isOver) return;
      close = openJsonEditor(element, text, (typed) => {
        problem.value = take(table, live, typed);
      });
    });
    return () => {
      isOver = true;
      close();
    };
    // What others change meanwhile does not go into the editor.
  }, [table, live, record === undefined]);
  return (
    <div class="json-tab">
      <div class="json-host" ref={host} />
      <FieldError text={problem.value} />
      <button type="button" onClick={() => void copyText(JSON.stringify(live.record.value, null, 2), 'The JSON')}>
        <Icon name="copy" /> Copy as stored
      </button>
    </div>
  );
}

/** Makes drafts of what differs. Returns what is wrong with the text. */
function take(table: TableController, live: LiveRecord, text: string): string | undefined {
  const { app } = table;
  const { name, key, fields } = table.table;
  const record = live.record.value;
  if (!canWrite.value) return 'This view is read only.';
  if (record === undefined) return 'The record is not there any more.';
  let typed: unknown;
  try {
    typed = JSON.parse(text);
  } catch (error) {
    return (error as Error).message;
  }
  if (typed === null || typeof typed !== 'object' || Array.isArray(typed)) return 'A record is an object.';
  const unknown = Object.keys(typed).find((member) => !fields.some((field) => field.name === member));
  if (unknown !== undefined) return `${unknown} is no field of ${name}.`;
  if (!isEqual((typed as Rec)[key], record[key])) return `${key} is the key: it cannot be changed.`;
  for (const field of fields.filter(({ readOnly, hidden }) => !readOnly && !hidden)) {
    if (field.name === key) continue;
    const value = (typed as Rec)[field.name] ?? null;
    const draft = draftOf(app, name, live.key);
    const now =
      draft !== undefined && Object.hasOwn(draft.changes, field.name) ? draft.changes[field.name] : record[field.name];
    if (!isEqual(now ?? null, value))
      change(app, name, live.key, { name: field.name, shown: record[field.name] ?? null, value });
  }
  const draft = draftOf(app, name, live.key);
  if (draft !== undefined && Object.keys(draft.changes).length === 0) discard(app, name, live.key);
  return undefined;
}
