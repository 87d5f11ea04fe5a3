import { render } from 'preact';
import { listenForKeys } from './shell/keys.ts';
import { Shell } from './shell/shell.tsx';
import { followLinks } from './state/address.ts';
import { applyTheme } from './state/settings.ts';

applyTheme();
followLinks();
listenForKeys();
render(<Shell />, document.getElementById('root') as HTMLElement);
