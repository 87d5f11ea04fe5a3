/** Value of a JSON field. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/**
 * Types of a table, as `tablecast types` writes them: its records, the input of `create` and `put`, the input of `patch`,
 * the name of the primary key, and the tables that its relations lead to.
 */
export interface TableTypes {
  readonly $record: unknown;
  readonly $create?: unknown;
  readonly $patch?: unknown;
  /** Input of `put`, where it is another one than that of `create`. */
  readonly $put?: unknown;
  readonly $key?: string;
  readonly $relations?: Readonly<Record<string, Relation>>;
}

/** Relation to one record of another table or to many, given by the types of that table. */
export type Relation = { readonly one: unknown } | { readonly many: unknown };

export type AnyRecord = Record<string, unknown>;
export type AnyTables = Record<string, AnyRecord>;

/** Types of an application, as `tablecast types` writes them: `connect<App>(url)`. */
export interface AppTypes {
  readonly $tables: object;
  readonly $routes?: unknown;
  /** Names of the connectors with rooms. */
  readonly $rooms?: string;
}

/** Object that changes a field, by the type of the field: `{ $inc: 1 }`. */
export type FieldOperation<V> =
  | (V extends number | string
      ? { readonly $inc: number | string } | { readonly $max: V } | { readonly $min: V }
      : never)
  | (V extends readonly (infer Item)[]
      ?
          | { readonly $addToSet: Item | readonly Item[] }
          | { readonly $remove: Item | readonly Item[] }
          | { readonly $push: Item | readonly Item[] }
      : never)
  | { readonly $unset: true };

/** Fields of a record that a patch replaces, or changes by an operator. */
export type Changes<R> = { readonly [Name in keyof R]?: R[Name] | FieldOperation<NonNullable<R[Name]>> };

export type RecordOf<T> = T extends { readonly $record: infer R } ? R : T;
export type CreateOf<T> = T extends { readonly $create: infer C } ? C : Partial<RecordOf<T>>;
export type PutOf<T> = T extends { readonly $put: infer P } ? P : CreateOf<T>;
export type PatchOf<T> = T extends { readonly $patch: infer P } ? P : Changes<RecordOf<T>>;
export type KeyOf<T> = T extends { readonly $key: infer K extends string } ? K : 'id';
// biome-ignore lint/complexity/noBannedTypes: without relations there is no key at all.
export type RelationsOf<T> = T extends { readonly $relations: infer L } ? L : {};
export type FieldsOf<T> = Omit<RecordOf<T>, keyof RelationsOf<T>>;

/** True where the fields of the table are not known. */
export type IsUntyped<T> = unknown extends RecordOf<T> ? true : string extends keyof RecordOf<T> ? true : false;

type Target<L> = L extends { readonly one: infer T } ? T : L extends { readonly many: infer T } ? T : never;
type Present<V> = Exclude<V, null | undefined>;
/** Value that a condition on the field is about: of a list its elements. */
type Item<V> = Present<V> extends readonly (infer I)[] ? Present<I> : Present<V>;
type Scalar = string | number | boolean;

/** Comparisons of a scalar, by the names of the query language. A list is compared element by element. */
type Comparisons<V> = {
  readonly eq?: V | null | undefined;
  readonly ne?: V | null | undefined;
  readonly in?: readonly (V | null)[] | undefined;
  readonly out?: readonly (V | null)[] | undefined;
} & ([V] extends [boolean] ? unknown : IsOrdered<V> extends true ? Ordered<V> : unknown) &
  ([V] extends [string] ? (string extends V ? TextSearch : unknown) : unknown);

/** Enums, which are unions of strings, have no order. */
type IsOrdered<V> = string extends V ? true : number extends V ? true : false;

interface Ordered<V> {
  readonly gt?: V | undefined;
  readonly ge?: V | undefined;
  readonly lt?: V | undefined;
  readonly le?: V | undefined;
}

interface TextSearch {
  /** Contains. */
  readonly ct?: string | undefined;
  /** Starts with. */
  readonly sw?: string | undefined;
  /** Ends with. */
  readonly ew?: string | undefined;
  /** Contains all of these words. */
  readonly ft?: string | undefined;
}

type Equals<V> = V | null | undefined | readonly (V | null)[];
/** Condition on a field. Objects and JSON are compared with null only. */
type Condition<V> = [Item<V>] extends [Scalar]
  ? Equals<Item<V>> | Comparisons<Item<V>>
  : null | undefined | { readonly eq: null } | { readonly ne: null };

type Prefix<P extends string, C> = { readonly [F in keyof C & string as `${P}.${F}`]?: C[F] };
/** Intersection of the members of a union; `unknown` of none. */
type Merged<U> = (U extends unknown ? (part: U) => void : never) extends (part: infer I) => void ? I : never;
type IsObject<V> = [Item<V>] extends [Scalar] ? false : Scalar extends Item<V> ? false : true;

/** Fields with their conditions; those of nested objects by their path, `address.city`. */
type FieldConditions<R> = { readonly [F in keyof R & string]?: Condition<R[F]> } & Merged<
  { [F in keyof R & string]: IsObject<R[F]> extends true ? Prefix<F, FieldConditions<Item<R[F]>>> : never }[keyof R &
    string]
>;

/** Levels of relations that a condition may pass. */
type Depth = readonly 0[];
type Less<D extends Depth> = D extends readonly [0, ...infer Rest extends Depth] ? Rest : [];

type Conditions<T, D extends Depth> = FieldConditions<FieldsOf<T>> &
  (D extends readonly []
    ? unknown
    : { readonly [K in keyof RelationsOf<T> & string]?: null | undefined | { readonly ne: null } } & Merged<
        {
          [K in keyof RelationsOf<T> & string]: Prefix<K, Conditions<Target<RelationsOf<T>[K]>, Less<D>>>;
        }[keyof RelationsOf<T> & string]
      >);

/**
 * Conditions of a query: all of them hold. Values are literal, whatever they contain.
 *
 * A field is compared with a value, with one of a list, with null, or by operators: `{ price: { gt: 10 } }`. `or` holds
 * when one of its conditions does, `not` when its conditions do not.
 */
export type Where<T> = Conditions<T, [0, 0]> & {
  readonly or?: readonly Where<T>[] | undefined;
  readonly and?: readonly Where<T>[] | undefined;
  readonly not?: Where<T> | undefined;
};

/** Entry of `select`: a field, `*` for all fields, or relations with what is selected of them. */
export type SelectItem<T> =
  | '*'
  | (keyof FieldsOf<T> & string)
  | { readonly [K in keyof RelationsOf<T> & string]?: readonly SelectItem<Target<RelationsOf<T>[K]>>[] };

export type Select<T> = string | readonly SelectItem<T>[];

type SelectedFields<T, I> = '*' extends I ? FieldsOf<T> : Pick<FieldsOf<T>, Extract<I | KeyOf<T>, keyof FieldsOf<T>>>;
type SelectedRelations<T, I> = Merged<
  I extends object
    ? {
        [K in keyof I & keyof RelationsOf<T>]: RelationsOf<T>[K] extends { readonly many: infer M }
          ? Selected<M, I[K]>[]
          : Selected<Target<RelationsOf<T>[K]>, I[K]> | null;
      }
    : never
>;
type Simplified<O> = { [K in keyof O]: O[K] };

/** Record with what `select` names: all fields when it is left out or a string. */
export type Selected<T, S> =
  IsUntyped<T> extends true
    ? RecordOf<T>
    : S extends readonly (infer I)[]
      ? Simplified<SelectedFields<T, I> & SelectedRelations<T, I>>
      : RecordOf<T>;

type Sortable<R> = { [F in keyof R & string]: [Present<R[F]>] extends [Scalar] ? F : never }[keyof R & string];
type SortKey<T> = Sortable<FieldsOf<T>> | `-${Sortable<FieldsOf<T>>}`;

/** Parameters of a typed query, beside its conditions. */
export interface QueryParameters<T, S> {
  readonly where?: Where<T> | undefined;
  readonly filter?: string | undefined;
  readonly select?: S | undefined;
  readonly sort?: SortKey<T> | `${SortKey<T>},${string}` | readonly SortKey<T>[] | undefined;
  readonly limit?: number | undefined;
  readonly offset?: number | undefined;
  readonly cursor?: string | undefined;
  readonly count?: boolean | undefined;
  readonly since?: number | undefined;
  readonly retained?: boolean | undefined;
  readonly echo?: boolean | undefined;
  readonly delta?: boolean | undefined;
  readonly client?: string | undefined;
}

type Operator = 'eq' | 'ne' | 'gt' | 'ge' | 'lt' | 'le' | 'in' | 'out' | 'ct' | 'sw' | 'ew' | 'ft' | '===' | '!==';
type ScalarFields<T> = {
  [F in keyof FieldsOf<T> & string]: [Item<FieldsOf<T>[F]>] extends [Scalar] ? F : never;
}[keyof FieldsOf<T> & string];

/** Query of a table whose fields are known: text as in a URL, or an object with parameters and fields that are equal. */
export type TypedQuery<T, S> =
  | string
  | (QueryParameters<T, S> & {
      readonly [F in Exclude<ScalarFields<T>, keyof QueryParameters<T, S>>]?: Equals<
        Item<FieldsOf<T>[F & keyof FieldsOf<T>]>
      >;
    } & {
      readonly [F in ScalarFields<T> as `${F}[${Operator}]`]?:
        | Item<FieldsOf<T>[F]>
        | readonly Item<FieldsOf<T>[F]>[]
        | null
        | undefined;
    });
