import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { discard } from '../edits/drafts.ts';
import { type Conflict, conflict, createAgain, resolve } from '../edits/save.ts';
import { fromInput, toInput } from '../edits/values.ts';
import type { Rec } from '../grid/segment.ts';
import { Dialog } from '../parts/dialog.tsx';
import { ask } from '../state/http.ts';
import { schema, tableOf } from '../state/schema.ts';
import { cellText, formatTime, timeOfSeq, visible } from '../state/text.ts';

type Choice = 'mine' | 'theirs' | 'edit';

/** Shown when another client has changed what is to be saved: nothing is decided without an answer. */
export function ConflictSheet(): JSX.Element | null {
  const now = conflict.value;
  if (now === undefined) return null;
  return now.theirs === undefined ? <Deleted now={now} /> : <Changed now={now} theirs={now.theirs} />;
}

const close = () => {
  conflict.value = undefined;
};

function Changed({ now, theirs }: { readonly now: Conflict; readonly theirs: Rec }): JSX.Element {
  const choices = useSignal<Readonly<Record<string, Choice>>>({});
  const edited = useSignal<Readonly<Record<string, string>>>({});
  const author = useSignal<string | undefined>(undefined);
  useEffect(() => {
    void findAuthor(now).then((found) => {
      author.value = found;
    });
  }, [now]);
  const isDecided = now.fields.every((name) => choices.value[name] !== undefined);
  const save = () => {
    const chosen: Record<string, unknown> = {};
    for (const name of now.fields) {
      const choice = choices.value[name];
      chosen[name] =
        choice === 'theirs'
          ? (theirs[name] ?? null)
          : choice === 'edit'
            ? parse(now, name, edited.value[name])
            : now.mine[name];
    }
    void resolve(chosen);
  };
  const when = now.seq === undefined ? '' : ` at ${formatTime(timeOfSeq(now.seq))}`;
  return (
    <Dialog title="Another client has changed the same" wide close={close}>
      <div class="dialog-body">
        <p>
          {visible(now.table)} <strong>{visible(String(now.id))}</strong> was changed{when}
          {author.value && <> by {visible(author.value)}</>}. Nothing is saved until you choose.
        </p>
        {now.fields.map((name) => (
          <fieldset class="conflict" key={name}>
            <legend>{visible(name)}</legend>
            <p class="base">
              <span>Before</span> {cellText(now.base[name]) || 'null'}
            </p>
            <Option name={name} choice="theirs" label="Theirs" value={theirs[name]} choices={choices} />
            <Option name={name} choice="mine" label="Mine" value={now.mine[name]} choices={choices} />
            <div class="option">
              <input
                type="text"
                aria-label={`${name}, something else`}
                placeholder="Something else"
                value={edited.value[name] ?? ''}
                onInput={(event) => {
                  edited.value = { ...edited.value, [name]: event.currentTarget.value };
                  choices.value = { ...choices.value, [name]: 'edit' };
                }}
              />
            </div>
          </fieldset>
        ))}
      </div>
      <footer>
        <button type="button" onClick={close}>
          Decide later
        </button>
        <button type="button" class="primary" disabled={!isDecided} onClick={save}>
          Save what is chosen
        </button>
      </footer>
    </Dialog>
  );
}

interface OptionProps {
  readonly name: string;
  readonly choice: Choice;
  readonly label: string;
  readonly value: unknown;
  readonly choices: { value: Readonly<Record<string, Choice>> };
}

function Option({ name, choice, label, value, choices }: OptionProps): JSX.Element {
  return (
    <label class="option">
      <input
        type="radio"
        name={`choice-${name}`}
        checked={choices.value[name] === choice}
        onChange={() => {
          choices.value = { ...choices.value, [name]: choice };
        }}
      />
      <span class="who">{label}</span>
      <span class="what">{cellText(value, 1_000) || (value === '' ? 'empty' : 'null')}</span>
    </label>
  );
}

function Deleted({ now }: { readonly now: Conflict }): JSX.Element {
  return (
    <Dialog title="Deleted meanwhile" close={close}>
      <div class="dialog-body">
        <p>
          {visible(now.table)} <strong>{visible(String(now.id))}</strong> is not there any more. Your changes are kept
          until you decide.
        </p>
      </div>
      <footer>
        <button
          type="button"
          onClick={() => {
            discard(now.app, now.table, now.id);
            close();
          }}
        >
          Drop my changes
        </button>
        <button type="button" class="primary" onClick={() => void createAgain({ ...now.base, ...now.mine })}>
          Create again
        </button>
      </footer>
    </Dialog>
  );
}

function parse({ table }: Conflict, name: string, text = ''): unknown {
  const field = tableOf(table)?.fields.find((it) => it.name === name);
  const parsed = fromInput(text, field, false);
  return 'error' in parsed ? toInput(text, undefined) : parsed.value;
}

interface AuditEntry {
  readonly seq: number;
  readonly by: { readonly type: string; readonly sub?: string };
}

/** Who has made the last change, where the table has an audit log that the caller may read. */
async function findAuthor({ app, table, id, seq }: Conflict): Promise<string | undefined> {
  if (!schema.value?.admin) return undefined;
  const search = new URLSearchParams({ table, id: String(id), limit: '1' });
  const answer = await ask<readonly AuditEntry[]>(app, `_/audit?${search}`).catch(() => undefined);
  const entry = answer?.data[0];
  return entry === undefined || entry.seq !== seq ? undefined : (entry.by.sub ?? entry.by.type);
}
