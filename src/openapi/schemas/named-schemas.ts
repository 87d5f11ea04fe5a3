import { type Part, refer } from './schemas.ts';

type Parts = Readonly<Record<string, Part>>;

/** Converts `Product.client.Update` to the name of a type. */
function pascal(name: string): string {
  return name
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}

/**
 * Adds titles to a schema and its parts, from which code generators make the names of types; without one they use
 * AnonymousSchema. Titles that exist are kept.
 */
export function withTitles(schema: Part, title: string): Part {
  if ('$ref' in schema) return schema;
  const { properties, items, anyOf, ...own } = schema;
  return {
    title,
    ...own,
    ...(properties === undefined ? {} : { properties: titleEach(properties as Parts, title) }),
    ...(items === undefined ? {} : { items: withTitles(items as Part, `${title}Item`) }),
    ...(anyOf === undefined
      ? {}
      : { anyOf: (anyOf as readonly Part[]).map((one, index) => withTitles(one, `${title}Option${index + 1}`)) }),
  };
}

function titleEach(parts: Parts, title: string): Part {
  return Object.fromEntries(
    Object.entries(parts).map(([name, part]) => [name, withTitles(part, `${title}${pascal(name)}`)]),
  );
}

/** Adds titles to schemas, from their names. */
export function titled(schemas: Part): Part {
  return Object.fromEntries(
    Object.entries(schemas as Parts).map(([name, schema]) => [name, withTitles(schema, pascal(name))]),
  );
}

interface NamedMessages {
  readonly messages: Parts;
  readonly schemas: Part;
}

/** Moves the payloads of messages to schemas with names. */
export function nameMessages(messages: Parts): NamedMessages {
  const schemas: Record<string, Part> = {};
  const named = Object.entries(messages).map(([key, message]) => {
    const payload = message.payload as Part;
    if ('$ref' in payload) return [key, message] as const;
    const name = `${key}.message`;
    schemas[name] = payload;
    return [key, { ...message, payload: refer(name) }] as const;
  });
  return { messages: Object.fromEntries(named), schemas: titled(schemas) };
}
