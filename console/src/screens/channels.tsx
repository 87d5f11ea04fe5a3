import { type Signal, useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { copyText } from '../parts/copy.ts';
import { Icon } from '../parts/icon.tsx';
import { place } from '../state/address.ts';
import { ask, urlOf } from '../state/http.ts';
import { say, sayError } from '../state/messages.ts';
import { schema } from '../state/schema.ts';
import { formatBytes } from '../state/text.ts';
import { FrameDetail, FrameList } from './frame-list.tsx';
import { openSocket, openStream, type Wire, type WireFrame } from './wire.ts';

const MAX_FRAMES = 10_000;

interface Settings {
  readonly channel: string;
  readonly transport: 'ws' | 'sse';
  readonly since: string;
  readonly retained: boolean;
  readonly delta: boolean;
}

/** Listens to a channel and shows each frame as it came: what a client is told, and when. */
export function ChannelsScreen({ app }: { readonly app: string }): JSX.Element {
  const first = new URLSearchParams(place.peek().search).get('channel') ?? schema.value?.tables[0]?.name ?? '';
  const settings = useSignal<Settings>({ channel: first, transport: 'ws', since: '', retained: false, delta: false });
  const frames = useSignal<readonly WireFrame[]>([]);
  const state = useSignal<'closed' | 'connecting' | 'open'>('closed');
  const chosen = useSignal<WireFrame | undefined>(undefined);
  const isPaused = useSignal(false);
  const wire = useRef<Wire | undefined>(undefined);
  useEffect(() => () => wire.current?.close(), [app]);
  const connect = async () => {
    wire.current?.close();
    const add = collect(frames, isPaused);
    const open = settings.value.transport === 'ws' ? openSocket : openStream;
    wire.current = await open(app, pathOf(settings.value), {
      frame: add,
      state: (now) => {
        state.value = now;
      },
    });
  };
  const replay = (seq: number) => {
    settings.value = { ...settings.value, since: String(seq), retained: false };
    void connect();
  };
  return (
    <div class="page channels">
      <ChannelForm
        app={app}
        settings={settings}
        state={state.value}
        connect={() => void connect()}
        close={() => wire.current?.close()}
      />
      <FrameTools frames={frames} isPaused={isPaused} />
      <div class="frames-area">
        <FrameList frames={frames.value} chosen={chosen} />
        {chosen.value && <FrameDetail frame={chosen.value} replay={replay} close={() => (chosen.value = undefined)} />}
      </div>
      <Publish app={app} channel={settings.value.channel} />
    </div>
  );
}

/** Adds frames once per animation frame, and keeps the last of them. */
function collect(frames: Signal<readonly WireFrame[]>, isPaused: Signal<boolean>) {
  let waiting: WireFrame[] = [];
  let number = frames.value.at(-1)?.number ?? 0;
  return (frame: Omit<WireFrame, 'number' | 'at'>) => {
    number++;
    waiting.push({ ...frame, number, at: Date.now() });
    if (waiting.length > 1) return;
    const flush = () => {
      if (isPaused.value && waiting.length < MAX_FRAMES) return void setTimeout(flush, 200);
      frames.value = [...frames.value, ...waiting].slice(-MAX_FRAMES);
      waiting = [];
    };
    setTimeout(flush, 16);
  };
}

function pathOf({ channel, since, retained, delta }: Settings): string {
  const parameters = [
    since === '' ? '' : `since=${encodeURIComponent(since)}`,
    retained ? 'retained=true' : '',
    delta ? 'delta=true' : '',
  ]
    .filter(Boolean)
    .join('&');
  return parameters === '' ? channel : `${channel}${channel.includes('?') ? '&' : '?'}${parameters}`;
}

interface FormProps {
  readonly app: string;
  readonly settings: Signal<Settings>;
  readonly state: 'closed' | 'connecting' | 'open';
  connect(): void;
  close(): void;
}

function ChannelForm({ app, settings, state, connect, close }: FormProps): JSX.Element {
  const now = settings.value;
  const set = (change: Partial<Settings>) => {
    settings.value = { ...now, ...change };
  };
  return (
    <form
      class="channel-form"
      onSubmit={(event) => {
        event.preventDefault();
        connect();
      }}
    >
      <label class="inline grow">
        <span>Channel</span>
        <input
          class="mono"
          list="channels"
          value={now.channel}
          placeholder="Message?title==H*"
          spellcheck={false}
          onInput={({ currentTarget: { value } }) => set({ channel: value })}
        />
      </label>
      <datalist id="channels">
        {schema.value?.tables.map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <label class="inline">
        <span>By</span>
        <select
          value={now.transport}
          onChange={({ currentTarget: { value } }) => set({ transport: value as 'ws' | 'sse' })}
        >
          <option value="ws">WebSocket</option>
          <option value="sse">event stream</option>
        </select>
      </label>
      <label class="inline">
        <span>since</span>
        <input
          class="mono short"
          inputMode="numeric"
          value={now.since}
          placeholder="now"
          onInput={({ currentTarget: { value } }) => set({ since: value.trim() })}
        />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={now.retained}
          onChange={({ currentTarget: { checked } }) => set({ retained: checked })}
        />{' '}
        retained
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={now.delta}
          onChange={({ currentTarget: { checked } }) => set({ delta: checked })}
        />{' '}
        delta
      </label>
      {state === 'closed' ? (
        <button type="submit" class="primary">
          <Icon name="radio" /> Listen
        </button>
      ) : (
        <button type="button" onClick={close}>
          <Icon name="unplug" /> {state === 'open' ? 'Stop' : 'Connecting…'}
        </button>
      )}
      <button
        type="button"
        title="Copy as curl"
        onClick={() =>
          void copyText(
            `curl -gN -H 'accept: text/event-stream' '${urlOf(app, pathOf(now)).replaceAll("'", "'\\''")}'`,
            'curl',
          )
        }
      >
        <Icon name="copy" />
        <span class="sr">Copy as curl</span>
      </button>
    </form>
  );
}

function FrameTools({
  frames,
  isPaused,
}: Readonly<{ frames: Signal<readonly WireFrame[]>; isPaused: Signal<boolean> }>): JSX.Element {
  const all = frames.value;
  const bytes = all.reduce((sum, frame) => sum + frame.bytes, 0);
  const save = () => {
    const lines = all.map((frame) => JSON.stringify(frame)).join('\n');
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([lines], { type: 'application/x-ndjson' }));
    link.download = 'frames.ndjson';
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <div class="page-tools">
      <span class="soft">
        {all.length} {all.length === 1 ? 'frame' : 'frames'} · {formatBytes(bytes)}
      </span>
      <span class="spacer" />
      <button type="button" aria-pressed={isPaused.value} onClick={() => (isPaused.value = !isPaused.value)}>
        <Icon name={isPaused.value ? 'play' : 'pause'} /> {isPaused.value ? 'Go on' : 'Pause'}
      </button>
      <button type="button" onClick={() => (frames.value = [])}>
        Clear
      </button>
      <button type="button" disabled={all.length === 0} onClick={save}>
        <Icon name="save" /> NDJSON
      </button>
    </div>
  );
}

function Publish({ app, channel }: { readonly app: string; readonly channel: string }): JSX.Element {
  const text = useSignal('{"hello":"everyone"}');
  const send = async () => {
    try {
      const [path = ''] = channel.split('?');
      const { data } = await ask<{ delivered: number }>(app, `${path}?publish=true`, {
        method: 'POST',
        body: JSON.parse(text.value) as unknown,
      });
      say(`Published to ${data.delivered} ${data.delivered === 1 ? 'subscription' : 'subscriptions'}.`, 'good');
    } catch (error) {
      sayError(error);
    }
  };
  return (
    <form
      class="publish"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label class="inline grow">
        <span>Publish</span>
        <input
          class="mono"
          value={text.value}
          spellcheck={false}
          onInput={({ currentTarget: { value } }) => (text.value = value)}
        />
      </label>
      <button type="submit">
        <Icon name="send" /> Send
      </button>
    </form>
  );
}
