import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { Dialog } from '../parts/dialog.tsx';
import { FieldError } from '../parts/field-error.tsx';
import { Note } from '../parts/note.tsx';
import { ask, type TablecastError } from '../state/http.ts';
import { describeError, say, sayError } from '../state/messages.ts';
import { usePolled } from '../state/polled.ts';
import { cellText, visible } from '../state/text.ts';

const EVERY_MS = 2_000;

type Json = Readonly<Record<string, unknown>>;

interface DeadLetter extends Json {
  readonly id: number | string;
  readonly flow?: string;
}

/** Flows with what became of their events, and the events that failed for good. */
export function FlowsScreen({ app }: { readonly app: string }): JSX.Element {
  const flows = usePolled<{ flows: readonly Json[] }>(app, '_/flows', EVERY_MS);
  const letters = usePolled<{ dead_letters: readonly DeadLetter[] }>(app, '_/flows/dead-letters', EVERY_MS);
  const open = useSignal<DeadLetter | undefined>(undefined);
  const error = flows.error.value ?? letters.error.value;
  const known = flows.data.value?.flows;
  const dead = letters.data.value?.dead_letters;
  if (error !== undefined) {
    return (
      <Note icon="workflow" title="Not read">
        <p>{visible(describeError(error))}</p>
      </Note>
    );
  }
  if (known?.length === 0) {
    return (
      <Note icon="workflow" title="No flows">
        <p>A flow in config.yaml does something with each event of a table, a queue, a schedule or a request.</p>
      </Note>
    );
  }
  return (
    <div class="page">
      <h2 class="section">Flows</h2>
      <JsonTable rows={known ?? []} />
      <h2 class="section">Dead letters</h2>
      {dead === undefined || dead.length === 0 ? (
        <p class="panel-note">{dead && 'None: every event was done.'}</p>
      ) : (
        <JsonTable
          rows={dead}
          open={(row) => {
            void readLetter(app, row as DeadLetter).then((letter) => {
              open.value = letter;
            }, sayError);
          }}
        />
      )}
      {open.value && (
        <LetterDialog
          app={app}
          letter={open.value}
          close={() => {
            open.value = undefined;
            letters.refresh();
            flows.refresh();
          }}
        />
      )}
    </div>
  );
}

async function readLetter(app: string, { id }: DeadLetter): Promise<DeadLetter> {
  return (await ask<DeadLetter>(app, `_/flows/dead-letters/${encodeURIComponent(id)}`)).data;
}

interface LetterProps {
  readonly app: string;
  readonly letter: DeadLetter;
  close(): void;
}

function LetterDialog({ app, letter, close }: LetterProps): JSX.Element {
  const failure = useSignal<string | undefined>(undefined);
  const path = `_/flows/dead-letters/${encodeURIComponent(letter.id)}`;
  const run = async (method: 'POST' | 'DELETE') => {
    try {
      await ask(app, method === 'POST' ? `${path}/replay` : path, { method });
      say(method === 'POST' ? 'Done: it is no dead letter any more.' : 'Thrown away.', 'good');
      close();
    } catch (error) {
      failure.value = describeError(error as TablecastError);
    }
  };
  return (
    <Dialog title={`Dead letter of ${visible(String(letter.flow ?? ''))}`} wide close={close}>
      <div class="dialog-body">
        <FieldError text={failure.value} />
        <pre>{visible(JSON.stringify(letter, null, 2)).replaceAll('↵', '\n')}</pre>
      </div>
      <footer>
        <button type="button" class="quiet danger" onClick={() => void run('DELETE')}>
          Throw away
        </button>
        <span class="spacer" />
        <button type="button" class="primary" onClick={() => void run('POST')}>
          Replay
        </button>
      </footer>
    </Dialog>
  );
}

/** Table of objects, with a column for each member that is a plain value. */
export function JsonTable({ rows, open }: Readonly<{ rows: readonly Json[]; open?(row: Json): void }>): JSX.Element {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return (
    <div class="table-scroll">
      <table class="plain">
        <thead>
          <tr>
            {names.map((name) => (
              <th key={name} scope="col">
                {visible(name.replaceAll('_', ' '))}
              </th>
            ))}
            {open && <th scope="col">Open</th>}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={String(row.id ?? row.name ?? index)}>
              {names.map((name) => (
                <td key={name}>{plain(row[name])}</td>
              ))}
              {open && (
                <td>
                  <button type="button" class="link" onClick={() => open(row)}>
                    Open
                  </button>
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function plain(value: unknown): string {
  return value === null || value === undefined ? '–' : cellText(value);
}
