/** Names of the schema that TypeScript has for itself, as words or as operators of types. */
const TAKEN: ReadonlySet<string> = new Set(
  `any asserts await abstract bigint boolean break case catch class const constructor continue debugger declare default
  delete do else enum export extends false finally for function if implements import in infer instanceof interface
  intrinsic keyof let never new null number object package private protected public readonly return static string super
  switch symbol this throw true try typeof undefined unique unknown var void while with yield`.split(/\s+/),
);

/** Gives every declaration a name of its own: what the schema calls it where that is possible. */
export class TypeNames {
  readonly #used = new Set<string>();
  readonly #names = new Map<string, string>();

  /** `schema`: the types that are declared under their own names; they go before what is made of them. */
  constructor(schema: Iterable<string>) {
    for (const name of schema) if (!this.#names.has(name)) this.#take(name);
  }

  /** The name of a declaration, by what it would be called. */
  of(name: string): string {
    return this.#names.get(name) ?? this.#take(name);
  }

  /** The name of what is made of a schema's type: `NewMessage` of `Message`. Another one where a type is called so. */
  made(name: string): string {
    return this.of(`made ${name}`);
  }

  #take(key: string): string {
    let name = key.replace(/^made /, '');
    while (TAKEN.has(name) || this.#used.has(name)) name += '_';
    this.#used.add(name);
    this.#names.set(key, name);
    return name;
  }
}
