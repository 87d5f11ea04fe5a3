import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { FieldError } from '../parts/field-error.tsx';
import { ask } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { visible } from '../state/text.ts';
import type { DescribedSchema } from './described.ts';

interface Step {
  readonly type: string;
  readonly name?: string;
  readonly sentence: string;
  readonly effect: 'keeps' | 'fills' | 'loses' | 'changes' | 'leaves' | 'impossible';
  readonly found?: string;
  readonly advice?: string;
}

interface Mistake {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint?: string;
}

interface Planned {
  readonly valid: boolean;
  readonly errors: readonly Mistake[];
  readonly pending?: boolean;
  readonly impossible?: boolean;
  readonly losing?: readonly string[];
  readonly steps?: readonly Step[];
}

interface Props {
  readonly app: string;
  readonly schema: DescribedSchema;
}

/** What the next start would do: with the files as they are on the disk, or with a text that is tried here. */
export function PlanCard({ app, schema }: Props): JSX.Element {
  const planned = useSignal<Planned | undefined>(undefined);
  const failure = useSignal<string | undefined>(undefined);
  const isTrying = useSignal(false);
  const text = useRef<HTMLTextAreaElement>(null);
  const read = async (body: unknown) => {
    try {
      const options = body === undefined ? {} : { method: 'POST', body };
      planned.value = (await ask<Planned>(app, '_/admin/schema/plan', options)).data;
      failure.value = undefined;
    } catch (error) {
      failure.value = describeError(error);
    }
  };
  useEffect(() => void read(undefined), [app, schema]);
  const tryText = () => {
    const [first, ...others] = schema.files;
    const files = [{ path: first?.path ?? 'schema.graphql', text: text.current?.value ?? '' }, ...others];
    void read({ files });
  };
  return (
    <section class="schema-card plan-card" aria-label="Plan of the next start">
      <header>
        <h2>Next start</h2>
        <span class="spacer" />
        <button type="button" onClick={() => void read(undefined)}>
          Read the files again
        </button>
        <button type="button" aria-expanded={isTrying.value} onClick={() => (isTrying.value = !isTrying.value)}>
          Try a change
        </button>
      </header>
      {isTrying.value && (
        <>
          <textarea
            ref={text}
            class="mono"
            rows={14}
            spellcheck={false}
            aria-label={schema.files[0]?.path ?? 'schema.graphql'}
            defaultValue={schema.files[0]?.text ?? ''}
          />
          <p>
            <button type="button" class="primary" onClick={tryText}>
              Show the plan
            </button>{' '}
            <span class="soft">Nothing is written: save the text into the file to have it.</span>
          </p>
        </>
      )}
      <FieldError text={failure.value} />
      {planned.value && <Plan planned={planned.value} />}
    </section>
  );
}

function Plan({ planned }: { readonly planned: Planned }): JSX.Element {
  const { valid, errors, pending, impossible, losing = [], steps = [] } = planned;
  if (!valid) {
    return (
      <ul class="plan" role="status">
        {errors.map(({ path, line, column, message, hint }) => (
          <li key={`${path} ${line} ${column} ${message}`}>
            <span class="field-error">
              {visible(path)}:{line}:{column} {visible(message)}
            </span>
            {hint && <p class="soft">{visible(hint)}</p>}
          </li>
        ))}
      </ul>
    );
  }
  if (!pending && !impossible && steps.length === 0) {
    return (
      <p class="soft" role="status">
        Nothing to do: the store is as the schema says.
      </p>
    );
  }
  return (
    <div role="status">
      <ol class="plan">
        {steps.map(({ sentence, effect, found, advice, name }) => (
          <li key={sentence}>
            <span class={`verdict ${VERDICTS[effect]}`}>{WORDS[effect]}</span> {visible(sentence)}
            {found && effect !== 'keeps' && <p class="soft">{visible(found)}</p>}
            {advice && <p class="soft">{visible(advice)}</p>}
            {name && losing.includes(name) && (
              <p class="soft">
                Allowed with <code>tablecast start --allow-destructive {visible(name)}</code>
              </p>
            )}
          </li>
        ))}
      </ol>
      {impossible && <p class="field-error">It cannot be made like this. The previous schema still starts.</p>}
    </div>
  );
}

const WORDS: Readonly<Record<Step['effect'], string>> = {
  keeps: 'keeps',
  fills: 'fills',
  loses: 'loses',
  changes: 'changes',
  leaves: 'leaves',
  impossible: 'not possible',
};

const VERDICTS: Readonly<Record<Step['effect'], string>> = {
  keeps: 'yes',
  fills: 'yes',
  loses: 'no',
  changes: 'no',
  leaves: 'some',
  impossible: 'no',
};
