import type { JSX } from 'preact';
import { hrefOf, paths, place } from '../state/address.ts';
import { cellText, formatTime, timeOfSeq, visible } from '../state/text.ts';
import type { LogEntry } from './log.ts';

interface Props {
  readonly entries: readonly LogEntry[];
  /** Whether each entry says which record it is about. */
  readonly named?: boolean;
  /** Entries after this position light up. */
  readonly since?: number;
  /** Goes back to the record as it was after the change. */
  restore?(seq: number): void;
}

/** Changes as a timeline, each with its fields before and after. */
export function ChangeList({ entries, named, since = Number.POSITIVE_INFINITY, restore }: Props): JSX.Element {
  if (entries.length === 0) return <p class="panel-note">No changes here.</p>;
  return (
    <ol class="timeline">
      {entries.map((entry) => (
        <li key={`${entry.seq} ${entry.table} ${entry.id}`} class={entry.seq > since ? `${entry.op} fresh` : entry.op}>
          <div class="timeline-head">
            <span class={`op ${entry.op}`}>{entry.op}</span>
            {named && (
              <a href={hrefOf(paths.record(place.value.app ?? '', entry.table, entry.id))}>
                {visible(entry.table)} <span class="mono">{visible(String(entry.id))}</span>
              </a>
            )}
            <span class="spacer" />
            {restore && entry.op !== 'delete' && entry.op !== 'publish' && (
              <button type="button" class="link" onClick={() => restore(entry.seq)}>
                Compare
              </button>
            )}
            {entry.by && <span class="by">{visible(entry.by)}</span>}
            <time title={`seq ${entry.seq}`}>{formatTime(timeOfSeq(entry.seq))}</time>
          </div>
          {entry.changes.length > 0 && (
            <dl class="diff">
              {entry.changes.map(({ name, before, after }) => (
                <div key={name}>
                  <dt>{visible(name)}</dt>
                  <dd>
                    {entry.op !== 'create' && before !== undefined && <del>{cellText(before) || 'null'}</del>}
                    {entry.op !== 'delete' && <ins>{cellText(after) || (after === '' ? 'empty' : 'null')}</ins>}
                  </dd>
                </div>
              ))}
            </dl>
          )}
        </li>
      ))}
    </ol>
  );
}
