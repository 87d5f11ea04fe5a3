import { render } from 'preact';
import { listenForKeys } from './shell/keys.ts';
import { Shell } from './shell/shell.tsx';
import { followLinks } from './state/address.ts';
import { lockWhenIdle } from './state/idle.ts';
import { applyTheme } from './state/settings.ts';

// A relative address would be another one after going to another place of the console.
const icon = document.querySelector<HTMLLinkElement>('link[rel=icon]');
icon?.setAttribute('href', icon.href);
applyTheme();
followLinks();
listenForKeys();
lockWhenIdle();
render(<Shell />, document.getElementById('root') as HTMLElement);
