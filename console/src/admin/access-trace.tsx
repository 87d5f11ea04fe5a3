import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { joinSearch } from '../grid/query.ts';
import { FieldError } from '../parts/field-error.tsx';
import { ask } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { visible } from '../state/text.ts';
import type { TableController } from '../table/controller.ts';
import { CallerForm } from './caller-form.tsx';

type Decision = 'yes' | 'no' | 'some';

interface Judged {
  readonly allowed: Decision;
  readonly by: 'admin' | 'public' | 'rules' | null;
  readonly rules: readonly { readonly rule: string; readonly holds: Decision }[];
  readonly account?: string;
}

interface Why {
  readonly exists?: boolean;
  readonly actions: Readonly<Record<string, Judged>>;
}

interface Props {
  readonly table: TableController;
  /** Undefined for the table as a whole. */
  readonly id: string | number | undefined;
}

/** What a caller may do with a record or a table, with the rules that decide, and whether the query has the record. */
export function AccessTrace({ table, id }: Props): JSX.Element {
  const caller = useSignal<string | undefined>(undefined);
  const found = useSignal<Why | undefined>(undefined);
  const failure = useSignal<string | undefined>(undefined);
  const isInQuery = useSignal<boolean | undefined>(undefined);
  const { app, query } = table;
  const { name, key } = table.table;
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const parts = [`table=${encodeURIComponent(name)}`];
    if (id !== undefined) parts.push(`id=${encodeURIComponent(id)}`);
    if (caller.value !== undefined) parts.push(`as=${encodeURIComponent(caller.value)}`);
    ask<Why>(app, `_/admin/why?${parts.join('&')}`, { signal })
      .then(({ data }) => {
        found.value = data;
        failure.value = undefined;
      })
      .catch((error) => {
        if (!signal.aborted) failure.value = describeError(error);
      });
    return () => abort.abort();
  }, [app, name, id, caller.value]);
  useEffect(() => {
    if (id === undefined || query.filter === '') return;
    const abort = new AbortController();
    const search = joinSearch(query.filter, `${key}[in]=${encodeURIComponent(JSON.stringify(String(id)))}`);
    ask<readonly unknown[]>(app, `${encodeURIComponent(name)}?${search}`, { signal: abort.signal })
      .then(({ data }) => {
        isInQuery.value = data.length > 0;
      })
      .catch(() => undefined);
    return () => abort.abort();
  }, [app, name, id, query.filter]);
  return (
    <div class="access">
      <CallerForm
        set={(next) => {
          caller.value = next;
        }}
      />
      <FieldError text={failure.value} />
      {isInQuery.value !== undefined && (
        <p>
          <Verdict decision={isInQuery.value ? 'yes' : 'no'} /> It {isInQuery.value ? 'meets' : 'does not meet'}{' '}
          <code>{visible(query.filter)}</code>. A caller that may read it{' '}
          {isInQuery.value ? 'has it in this list and stream.' : 'does not see it in this list and stream either.'}
        </p>
      )}
      {found.value && <Actions why={found.value} />}
    </div>
  );
}

function Actions({ why }: { readonly why: Why }): JSX.Element {
  return (
    <dl class="actions">
      {Object.entries(why.actions).map(([action, { allowed, by, rules, account }]) => (
        <div key={action}>
          <dt>
            <Verdict decision={allowed} /> {action}
          </dt>
          <dd>
            {by === 'admin' && 'The admin role passes every rule.'}
            {by === 'public' && 'Public: every caller may.'}
            {by === null && 'No rule grants it.'}
            {account && <p class="soft">{visible(account)}</p>}
            {rules.length > 0 && (
              <ul>
                {rules.map(({ rule, holds }) => (
                  <li key={rule}>
                    <Verdict decision={holds} /> <code>{visible(rule)}</code>
                  </li>
                ))}
              </ul>
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}

const WORDS: Readonly<Record<Decision, string>> = { yes: 'yes', no: 'no', some: 'depends' };

function Verdict({ decision }: { readonly decision: Decision }): JSX.Element {
  return <span class={`verdict ${decision}`}>{WORDS[decision]}</span>;
}
