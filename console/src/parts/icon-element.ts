import { CONSOLE_URL } from '../state/address.ts';

const SVG = 'http://www.w3.org/2000/svg';

/** Address of an icon in the file of icons. */
export function iconHref(name: string): string {
  return `${CONSOLE_URL.pathname}${ICONS_FILE}#${name}`;
}

/** Icon as an element, for what is drawn by hand. */
export function icon(name: string): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', iconHref(name));
  svg.append(use);
  return svg;
}
