import { type Signal, useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { copyText } from '../parts/copy.ts';
import { Icon } from '../parts/icon.tsx';
import { cellText, formatBytes, formatTime, visible } from '../state/text.ts';
import type { WireFrame } from './wire.ts';

const ROW = 30;
const SPARE = 6;

interface Props {
  readonly frames: readonly WireFrame[];
  readonly chosen: Signal<WireFrame | undefined>;
}

/** Frames in the order in which they came; only those in sight are drawn. */
export function FrameList({ frames, chosen }: Props): JSX.Element {
  const element = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(400);
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    const { current } = element;
    if (current === null) return;
    height.value = current.clientHeight;
    if (isAtEnd.current) current.scrollTop = current.scrollHeight;
  }, [frames]);
  const first = Math.max(0, Math.floor(top.value / ROW) - SPARE);
  const shown = frames.slice(first, first + Math.ceil(height.value / ROW) + 2 * SPARE);
  return (
    <div
      class="frames"
      ref={element}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be scrolled by the keyboard
      tabIndex={0}
      role="log"
      aria-label="Frames"
      aria-live="off"
      onScroll={({ currentTarget }) => {
        top.value = currentTarget.scrollTop;
        isAtEnd.current = currentTarget.scrollTop + currentTarget.clientHeight > currentTarget.scrollHeight - ROW;
      }}
    >
      {frames.length === 0 && <p class="panel-note">Frames appear here as they come.</p>}
      <div class="frames-space" style={{ height: `${frames.length * ROW}px` }}>
        {shown.map((frame, index) => (
          <button
            type="button"
            key={frame.number}
            class={`frame ${frame.direction} ${chosen.value === frame ? 'chosen' : ''}`}
            style={{ transform: `translateY(${(first + index) * ROW}px)` }}
            onClick={() => {
              chosen.value = frame;
            }}
          >
            <time>{formatTime(new Date(frame.at))}</time>
            <span class={`op ${frame.kind.toLowerCase()}`}>
              {frame.direction === 'out' ? `→ ${frame.kind}` : visible(frame.kind)}
            </span>
            <span class="seq mono">{frame.seq ?? ''}</span>
            <span class="text mono">{cellText(frame.text, 160)}</span>
            <span class="bytes">{frame.bytes > 0 ? formatBytes(frame.bytes) : ''}</span>
          </button>
        ))}
      </div>
    </div>
  );
}

interface DetailProps {
  readonly frame: WireFrame;
  replay(seq: number): void;
  close(): void;
}

export function FrameDetail({ frame, replay, close }: DetailProps): JSX.Element {
  const { seq } = frame;
  return (
    <aside class="frame-detail" aria-label="Frame">
      <header>
        <strong>{visible(frame.kind)}</strong>
        {seq !== undefined && <span class="mono soft">seq {seq}</span>}
        <span class="spacer" />
        <button type="button" class="quiet" aria-label="Close" onClick={close}>
          <Icon name="x" />
        </button>
      </header>
      <pre>{pretty(frame.text)}</pre>
      <footer>
        {seq !== undefined && (
          <button type="button" onClick={() => replay(seq)}>
            <Icon name="rotate-ccw" /> Replay from here
          </button>
        )}
        <button type="button" onClick={() => void copyText(frame.text, 'The frame')}>
          <Icon name="copy" /> Copy
        </button>
      </footer>
    </aside>
  );
}

function pretty(text: string): string {
  try {
    return lines(JSON.stringify(JSON.parse(text), null, 2));
  } catch {
    return lines(text);
  }
}

const lines = (text: string) => text.slice(0, 200_000).split('\n').map(visible).join('\n');
