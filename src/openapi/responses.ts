import { AppError, ERRORS, type ErrorCode, makeProblem } from '../errors.ts';
import { isOffered, type OnDelete, type TablePlan } from '../schema/plan.ts';
import { type Part, refer } from './schemas/schemas.ts';

const PROBLEM_TYPE = 'application/problem+json';

/** Errors of any request. */
const ALWAYS: readonly ErrorCode[] = [
  'BAD_REQUEST',
  'REQUEST_TIMEOUT',
  'URL_TOO_LONG',
  'HEADERS_TOO_LARGE',
  'EXPECTATION_FAILED',
  'MISDIRECTED',
  'RATE_LIMITED',
  'INTERNAL',
  'STOPPING',
  'OVERLOADED',
];
const BODY: readonly ErrorCode[] = [
  'INVALID_JSON',
  'INVALID_CONTENT',
  'VALIDATION_ERROR',
  'TOO_DEEP',
  'TOO_WIDE',
  'BODY_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
];
const WRITE: readonly ErrorCode[] = [
  'INVALID_QUERY',
  'IDEMPOTENCY_IN_PROGRESS',
  'IDEMPOTENCY_KEY_REUSED',
  'STORAGE_BUSY',
  'STORAGE_FULL',
  'STORAGE_MOVED',
  'OUTCOME_UNKNOWN',
];

/** Errors of each kind of operation, in addition to those of any request. */
export const CODES = {
  list: ['INVALID_QUERY', 'SCAN_TOO_LARGE', 'TOO_MANY_GROUPS', 'PRECONDITION_FAILED'],
  create: [...WRITE, ...BODY, 'INVALID_ID', 'CONFLICT'],
  publish: [...WRITE, ...BODY],
  get: ['INVALID_ID', 'INVALID_QUERY', 'NOT_FOUND', 'PRECONDITION_FAILED'],
  replace: [...WRITE, ...BODY, 'INVALID_ID', 'FORBIDDEN', 'CONFLICT', 'PRECONDITION_FAILED'],
  merge: [...WRITE, ...BODY, 'INVALID_ID', 'NOT_FOUND', 'CONFLICT', 'PRECONDITION_FAILED'],
  delete: [...WRITE, 'INVALID_ID', 'NOT_FOUND', 'PRECONDITION_FAILED'],
  publishToRecord: [...WRITE, ...BODY, 'INVALID_ID', 'METHOD_NOT_ALLOWED'],
  bulkMerge: [...WRITE, ...BODY, 'CONFLICT'],
  bulkDelete: WRITE,
  stream: ['INVALID_QUERY', 'INVALID_POSITION', 'FORBIDDEN_ORIGIN', 'TOO_MANY_CONNECTIONS'],
} as const satisfies Record<string, readonly ErrorCode[]>;

const EFFECTS: Readonly<Record<OnDelete, string>> = {
  CASCADE: 'are deleted with it',
  SET_NULL: 'have null there afterwards',
  RESTRICT: 'keep it from being removed',
};

/** Returns what becomes of the records that refer to a removed one. */
export function deletionNote({ referrers }: TablePlan): { readonly description?: string } {
  // Tables that callers cannot read are not named.
  const shown = referrers.filter(({ table }) => isOffered(table, 'read'));
  const sentences = shown.map(
    ({ table, field, onDelete }) =>
      `Records of ${table.name} that refer to it by \`${field.name}\` ${EFFECTS[onDelete]}.`,
  );
  return sentences.length === 0 ? {} : { description: sentences.join(' ') };
}

/** Returns the codes of a removal, which records that refer to the removed one may prevent. */
export function deletionCodes({ referrers }: TablePlan, codes: readonly ErrorCode[]): readonly ErrorCode[] {
  return referrers.length === 0 ? codes : [...codes, 'CONFLICT'];
}

/** Error responses of a document: each set of codes is written once. */
export class ErrorResponses {
  readonly #components = new Map<string, Part>();

  /**
   * Refers, by status, to the responses with these codes. The errors of any request are under `default`, except those that
   * share the status of another code.
   */
  refer(codes: readonly ErrorCode[]): Part {
    const statuses = new Set<number>(codes.map((code) => ERRORS[code].status));
    const byStatus = new Map<string, ErrorCode[]>();
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      if (!codes.includes(code) && !ALWAYS.includes(code)) continue;
      const { status } = ERRORS[code];
      const name = statuses.has(status) ? String(status) : 'default';
      byStatus.set(name, [...(byStatus.get(name) ?? []), code]);
    }
    return Object.fromEntries([...byStatus].map(([name, found]) => [name, this.#referTo(name, found)]));
  }

  get components(): Part {
    return Object.fromEntries([...this.#components].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  #referTo(status: string, codes: readonly ErrorCode[]): Part {
    const statuses = new Set(codes.map((code) => ERRORS[code].status));
    const name = status === 'default' ? `default.${[...statuses].join('.')}` : codes.join('.');
    if (!this.#components.has(name)) this.#components.set(name, problemResponse(status, codes));
    return { $ref: `#/components/responses/${name}` };
  }
}

function problemResponse(status: string, codes: readonly ErrorCode[]): Part {
  const isAny = status === 'default';
  const properties = { ...(isAny ? {} : { status: { const: Number(status) } }), code: { enum: codes } };
  const mayWait = isAny || status === '503' || status === '429';
  const list = codes.map((code) => `${isAny ? `${ERRORS[code].status} ` : ''}\`${code}\`: ${ERRORS[code].title}.`);
  return {
    description: [...(isAny ? ['Errors of any request.'] : []), ...list].join('\n\n'),
    ...(mayWait ? { headers: { 'Retry-After': { $ref: '#/components/headers/Retry-After' } } } : {}),
    ...(status === '405' ? { headers: { Allow: { $ref: '#/components/headers/Allow' } } } : {}),
    content: {
      [PROBLEM_TYPE]: { schema: { allOf: [refer(PROBLEM), { properties }] }, examples: exampleProblems(codes) },
    },
  };
}

function exampleProblems(codes: readonly ErrorCode[]): Part {
  const examples = codes.map((code) => [code, { value: makeProblem(new AppError(code, ERRORS[code].title)) }]);
  return Object.fromEntries(examples) as Part;
}

/** Names that no type of a schema can have: they cannot begin with an underscore. */
export const PROBLEM = '_Problem';
export const PUBLISHED = '_Published';
export const BULK = '_Changed';

export const SHARED_SCHEMAS: Part = {
  [PROBLEM]: {
    type: 'object',
    description: 'RFC 9457 problem details.',
    properties: {
      type: { type: 'string', description: '`urn:tablecast:error:` and the code.' },
      title: { type: 'string' },
      status: { type: 'integer' },
      detail: { type: 'string' },
      code: { type: 'string', enum: Object.keys(ERRORS) },
      error: { type: 'string', description: 'The same as `detail`.' },
      errors: {
        type: 'array',
        description: 'Every field that is wrong.',
        items: {
          type: 'object',
          properties: { field: { type: 'string' }, message: { type: 'string' } },
          required: ['field', 'message'],
        },
      },
    },
    required: ['type', 'title', 'status', 'detail', 'code', 'error'],
  },
};

export const PUBLISHED_SCHEMA: Part = {
  type: 'object',
  properties: {
    seq: { type: 'integer', format: 'int64', description: 'Position in the log.' },
    delivered: { type: 'integer', description: 'Number of subscriptions that receive it.' },
  },
  required: ['seq', 'delivered'],
};

export const BULK_SCHEMA: Part = {
  type: 'object',
  properties: {
    matched: { type: 'integer', description: 'Records that meet the conditions.' },
    changed: { type: 'integer', description: 'Records that changed.' },
  },
  required: ['matched', 'changed'],
};

const text = { type: 'string' };

export const HEADERS: Readonly<Record<string, Part>> = {
  ETag: {
    description:
      "The record's `seq` in quotes, followed by format and coding unless it is plain JSON. For a list, a weak tag of the table.",
    schema: text,
  },
  Location: { description: 'Address of the new record.', schema: text },
  'X-Position': {
    description:
      'Position: of a read the last one of the log at that time, from which `since=` continues without a gap; of a write that of the change.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
  },
  'Preference-Applied': { description: '`return=minimal` when `Prefer` asked for it.', schema: text },
  'Retry-After': { description: 'Seconds to wait.', schema: text },
  Allow: { description: 'The methods that the address accepts.', schema: text },
};

export const TOTAL_HEADER: Part = {
  description: 'Number of all records that meet the conditions, with `count=true`.',
  schema: text,
};
export const LINK_HEADER: Part = { description: 'The next page: `<…>; rel="next"` (RFC 8288).', schema: text };

/** Refers to headers of the document. */
export function headers(...names: readonly string[]): Part {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
