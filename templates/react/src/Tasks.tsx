import { type FormEvent, memo } from 'react';
import { useLive, useStatus, useTablecast, useWrite } from 'tablecast/react';
import type { App, Task } from '../tablecast-client.d.ts';

const STATUS: Record<string, string> = { live: 'Live', connecting: 'Connecting…', waiting: 'Reconnecting…' };

/** The list of tasks, live in every window. */
export function Tasks() {
  const { tables } = useTablecast<App>();
  const { data: tasks, status, error } = useLive(tables.Task, { sort: '-createdAt' });
  const { create, error: refusal, pending } = useWrite(tables.Task);
  const connection = useStatus();

  async function add(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const title = String(new FormData(form).get('title')).trim();
    if (title !== '' && (await create({ title })) !== undefined) form.reset();
  }

  return (
    <main>
      <header>
        <h1>Tasks</h1>
        <p className="status" role="status" data-status={connection}>
          {STATUS[connection] ?? connection}
        </p>
      </header>
      <form onSubmit={add} autoComplete="off">
        <input name="title" aria-label="New task" placeholder="What is to be done?" required />
        <button type="submit" disabled={pending > 0}>
          Add
        </button>
      </form>
      {(error ?? refusal) !== undefined && (
        <p className="error" role="alert">
          {(error ?? refusal)?.message}
        </p>
      )}
      <ul aria-label="Tasks">
        {tasks.map((task) => (
          <Row key={task.id} task={task} />
        ))}
      </ul>
      {status === 'live' && tasks.length === 0 && (
        <p className="empty">Nothing to do. Open this page in a second window and add a task here.</p>
      )}
    </main>
  );
}

/** Tasks that did not change stay the same objects, so that a change draws one row. */
const Row = memo(function Row({ task }: { task: Task }) {
  const { tables } = useTablecast<App>();
  const { patch, remove, error } = useWrite(tables.Task);
  return (
    <li>
      <label>
        <input
          type="checkbox"
          checked={task.done}
          onChange={({ target }) => void patch(task.id, { done: target.checked })}
        />
        <span className="title">{task.title}</span>
      </label>
      {error !== undefined && <span className="error">{error.message}</span>}
      <button
        className="delete"
        type="button"
        aria-label={`Delete “${task.title}”`}
        onClick={() => void remove(task.id)}
      >
        ×
      </button>
    </li>
  );
});
