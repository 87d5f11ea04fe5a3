/** Whether a text is what a page shows, in which `…` stands for anything, and a new line for any white space or none. */
export function isShown(shown: string, actual: string): boolean {
  const pattern = shown
    .trim()
    .split('…')
    .map((part) =>
      part
        .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
        .replace(/\s*\n\s*/g, '\\s*')
        .replace(/ +/g, ' +'),
    )
    .join('[\\s\\S]*?');
  return new RegExp(`^${pattern}$`).test(actual.trim());
}

/** As `isShown` for JSON: a string `"…"` stands for any value, and a property `"…"` for any further ones. */
export function isShownJson(shown: unknown, actual: unknown): boolean {
  if (shown === '…') return true;
  if (typeof shown === 'string') return typeof actual === 'string' && isShown(shown, actual);
  if (typeof shown !== 'object' || shown === null) return Object.is(shown, actual);
  if (typeof actual !== 'object' || actual === null || Array.isArray(shown) !== Array.isArray(actual)) return false;
  const { '…': more, ...named } = shown as Record<string, unknown>;
  const given = actual as Record<string, unknown>;
  if (more === undefined && Object.keys(named).length !== Object.keys(given).length) return false;
  return Object.entries(named).every(([name, value]) => name in given && isShownJson(value, given[name]));
}
