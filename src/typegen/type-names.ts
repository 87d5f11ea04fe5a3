/** Words that TypeScript reserves, for statements or as type operators. */
const RESERVED_WORDS: ReadonlySet<string> = new Set(
  `any asserts await abstract bigint boolean break case catch class const constructor continue debugger declare default
  delete do else enum export extends false finally for function if implements import in infer instanceof interface
  intrinsic keyof let never new null number object package private protected public readonly return static string super
  switch symbol this throw true try typeof undefined unique unknown var void while with yield`.split(/\s+/),
);

/** Assigns a unique name to every declaration: its name in the schema where possible. */
export class TypeNames {
  readonly #used = new Set<string>();
  readonly #names = new Map<string, string>();

  readonly #module: string;

  /** `schema` lists the types of the schema, whose names take precedence over derived ones; `module` has the package's types. */
  constructor(schema: Iterable<string>, module: string) {
    this.#module = `'${module}'`;
    for (const name of schema) if (!this.#names.has(name)) this.#take(name);
  }

  /** Returns the name of a declaration by its name in the schema. */
  of(name: string): string {
    return this.#names.get(name) ?? this.#take(name);
  }

  /**
   * Returns the name of a derived type, such as `NewMessage`; with `_` appended where the schema has a type of that name.
   * `source` tells two derived types apart that would have the same name.
   */
  made(name: string, source = name): string {
    const key = `made ${source}`;
    return this.#names.get(key) ?? this.#take(key, name);
  }

  /** Refers to a type that the package exports; by its import, since a type of the schema may have the same name. */
  imported(name: string): string {
    return `import(${this.#module}).${name}`;
  }

  #take(key: string, wanted = key): string {
    let name = wanted;
    while (RESERVED_WORDS.has(name) || this.#used.has(name)) name += '_';
    this.#used.add(name);
    this.#names.set(key, name);
    return name;
  }
}
