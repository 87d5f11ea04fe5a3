import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { copyText } from '../parts/copy.ts';
import { Icon } from '../parts/icon.tsx';
import { hrefOf, paths } from '../state/address.ts';
import { ask } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { visible } from '../state/text.ts';
import type { DescribedField, DescribedSchema, DescribedTable } from './described.ts';
import { PlanCard } from './plan-card.tsx';

const ACTIONS = ['read', 'subscribe', 'create', 'update', 'delete', 'publish'];

/** The schema as the server runs with it: tables with fields, relations, indexes and rules, and the files. */
export function SchemaScreen({ app }: { readonly app: string }): JSX.Element {
  const found = useSignal<DescribedSchema | undefined>(undefined);
  const failure = useSignal<string | undefined>(undefined);
  useEffect(() => {
    const abort = new AbortController();
    ask<DescribedSchema>(app, '_/admin/schema', { signal: abort.signal })
      .then(({ data }) => {
        found.value = data;
      })
      .catch((error) => {
        if (!abort.signal.aborted) failure.value = describeError(error);
      });
    return () => abort.abort();
  }, [app]);
  if (failure.value) return <p class="page field-error">{visible(failure.value)}</p>;
  const { value } = found;
  if (value === undefined) return <p class="panel-note">Reading…</p>;
  return (
    <div class="page wide">
      <nav class="chips" aria-label="Tables">
        {value.tables.map(({ name }) => (
          <a key={name} href={`#table-${name}`} onClick={(event) => jump(event, `table-${name}`)}>
            {visible(name)}
          </a>
        ))}
      </nav>
      <PlanCard app={app} schema={value} />
      <div class="schema-cards">
        {value.tables.map((table) => (
          <TableCard key={table.name} app={app} table={table} />
        ))}
      </div>
      <Types schema={value} />
      <h2 class="section">Files</h2>
      {value.files.map(({ path, text }) => (
        <details key={path} class="file">
          <summary>
            <code>{visible(path)}</code>
          </summary>
          <button type="button" onClick={() => void copyText(text, 'The file')}>
            <Icon name="copy" /> Copy
          </button>
          <pre>{text.split('\n').map(visible).join('\n')}</pre>
        </details>
      ))}
    </div>
  );
}

/** Scrolls to a card: a link would go to another place of the console. */
function jump(event: Event, id: string): void {
  event.preventDefault();
  document.getElementById(id)?.scrollIntoView({ block: 'start' });
}

function TableCard({ app, table }: { readonly app: string; readonly table: DescribedTable }): JSX.Element {
  const { name, type, docs, has_url: hasUrl, fields, relations, indexes, checks, primary_key: key } = table;
  return (
    <section class="schema-card" id={`table-${name}`} aria-label={name}>
      <header>
        <h2>{hasUrl ? <a href={hrefOf(paths.table(app, name))}>{visible(name)}</a> : visible(name)}</h2>
        {type !== name && <span class="soft">type {visible(type)}</span>}
        {table.audited && <span class="flag">audited</span>}
        {!hasUrl && <span class="flag">no URL</span>}
      </header>
      {docs && <p class="soft">{visible(docs)}</p>}
      <ul class="schema-fields">
        {fields.map((field) => (
          <li key={field.name} title={field.docs && visible(field.docs)}>
            <span class={field.name === key ? 'key' : ''}>{visible(field.name)}</span>
            <code>{visible(field.type)}</code>
            <span class="flags">{flagsOf(field, key).join(' · ')}</span>
          </li>
        ))}
        {relations.map(({ name: relation, target, many, from, to }) => (
          <li key={`relation ${relation}`} class="relation">
            <span>{visible(relation)}</span>
            <a href={`#table-${target}`} onClick={(event) => jump(event, `table-${target}`)}>
              {many ? `[${visible(target)}]` : visible(target)}
            </a>
            <span class="flags">{from ? `by ${visible(from)}` : to ? `by its ${visible(to)}` : ''}</span>
          </li>
        ))}
      </ul>
      {indexes.some(({ fields: parts }) => parts.length > 1) && (
        <p class="soft">
          Indexes:{' '}
          {indexes
            .filter(({ fields: parts }) => parts.length > 1)
            .map(({ fields: parts, unique }) => `${parts.join(' + ')}${unique ? ' (unique)' : ''}`)
            .join(', ')}
        </p>
      )}
      {checks.map(({ rule }) => (
        <p key={rule} class="soft">
          Check <code>{visible(rule)}</code>
        </p>
      ))}
      <Access table={table} />
    </section>
  );
}

function flagsOf(field: DescribedField, key: string): readonly string[] {
  const { unique, indexed, fulltext, hidden, stamp, computed, default: given, access } = field;
  return [
    field.name === key ? 'key' : '',
    unique && field.name !== key ? 'unique' : indexed ? 'indexed' : '',
    fulltext ? 'full text' : '',
    hidden ? 'hidden' : '',
    stamp ? `set by the server (${stamp})` : '',
    computed === undefined ? '' : 'computed',
    given === undefined ? '' : `= ${JSON.stringify(given)}`,
    access?.read || access?.write ? 'own rules' : '',
  ].filter((flag) => flag !== '');
}

function Access({ table }: { readonly table: DescribedTable }): JSX.Element {
  const { public: open, rules, account } = table.access;
  return (
    <details>
      <summary>Access</summary>
      <dl class="actions">
        {ACTIONS.map((action) => (
          <div key={action}>
            <dt>{action}</dt>
            <dd>
              {open.includes(action) && 'everyone'}
              {rules[action]?.map((rule) => (
                <code key={rule}>{visible(rule)}</code>
              ))}
              {!open.includes(action) && rules[action] === undefined && <span class="soft">admins</span>}
            </dd>
          </div>
        ))}
      </dl>
      {account && (
        <p class="soft">
          Account: {visible(account.field)} is {visible(account.claim)}
        </p>
      )}
    </details>
  );
}

function Types({ schema }: { readonly schema: DescribedSchema }): JSX.Element | null {
  const enums = Object.entries(schema.enums);
  const types = Object.entries(schema.types);
  if (enums.length + types.length === 0) return null;
  return (
    <>
      <h2 class="section">Types</h2>
      <dl class="actions">
        {enums.map(([name, values]) => (
          <div key={name}>
            <dt>{visible(name)}</dt>
            <dd>{values.map(visible).join(', ')}</dd>
          </div>
        ))}
        {types.map(([name, fields]) => (
          <div key={name}>
            <dt>{visible(name)}</dt>
            <dd>{fields.map((field) => `${visible(field.name)}: ${visible(field.type)}`).join(', ')}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
