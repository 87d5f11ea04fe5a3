/** Answer of `_/admin/schema`, as far as it is drawn. */
export interface DescribedSchema {
  readonly tables: readonly DescribedTable[];
  readonly enums: Readonly<Record<string, readonly string[]>>;
  readonly types: Readonly<Record<string, readonly DescribedField[]>>;
  readonly files: readonly { readonly path: string; readonly text: string }[];
}

export interface DescribedTable {
  readonly name: string;
  readonly type: string;
  readonly has_url: boolean;
  readonly docs?: string;
  readonly primary_key: string;
  readonly audited: boolean;
  readonly fields: readonly DescribedField[];
  readonly relations: readonly {
    readonly name: string;
    readonly target: string;
    readonly many: boolean;
    readonly from?: string;
    readonly to?: string;
  }[];
  readonly indexes: readonly { readonly fields: readonly string[]; readonly unique: boolean }[];
  readonly checks: readonly { readonly rule: string }[];
  readonly access: {
    readonly public: readonly string[];
    readonly rules: Readonly<Record<string, readonly string[]>>;
    readonly account?: { readonly field: string; readonly claim: string };
  };
}

export interface DescribedField {
  readonly name: string;
  readonly type: string;
  readonly docs?: string;
  readonly default?: unknown;
  readonly unique: boolean;
  readonly indexed: boolean;
  readonly fulltext: boolean;
  readonly hidden: boolean;
  readonly stamp?: string;
  readonly computed?: unknown;
  readonly access?: { readonly read?: readonly string[]; readonly write?: readonly string[] };
}
