import { place } from './address.ts';
import { schema } from './schema.ts';
import { idleLock, isLocked, isLoggedIn, logOut } from './session.ts';

/** Time of the last input in any window of this browser. */
const INPUT = 'tablecast.input';
const EVENTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'];
/** Milliseconds between two notes of the time of the input. */
const NOTED_EVERY_MS = 1_000;
const CHECK_EVERY_MS = 1_000;

/** Logs an administrator out who gives no input for the time that the server says, here and in the other windows. */
export function lockWhenIdle(): void {
  let noted = 0;
  const note = () => {
    const now = Date.now();
    if (now - noted < NOTED_EVERY_MS) return;
    noted = now;
    localStorage.setItem(INPUT, String(now));
  };
  note();
  for (const name of EVENTS) addEventListener(name, note, { capture: true, passive: true });
  const check = () => {
    const idle = Date.now() - Math.max(noted, Number(localStorage.getItem(INPUT) ?? 0));
    if (idleLock.value > 0 && idle >= idleLock.value) lock();
  };
  setInterval(check, CHECK_EVERY_MS);
  // A machine that slept: before anything can be clicked.
  document.addEventListener('visibilitychange', check);
}

function lock(): void {
  const { app } = place.value;
  if (app === undefined || schema.value?.admin !== true || !isLoggedIn(app)) return;
  isLocked.value = true;
  schema.value = undefined;
  void logOut(app);
}
