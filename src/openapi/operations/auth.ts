import { type ContractOperation, type Described, jsonAnswer, jsonBody } from '../contract-operation.ts';
import type { Part } from '../schemas/schemas.ts';

const TAG = 'Authentication';
const text: Part = { type: 'string' };
const SECONDS: Part = { type: 'integer', minimum: 0, description: 'Seconds.' };

const USER: Part = {
  type: 'object',
  properties: {
    id: text,
    name: text,
    roles: { type: 'array', items: text },
    claims: { type: 'object', additionalProperties: true },
  },
  required: ['id', 'name', 'roles', 'claims'],
};

const TOKENS: Part = {
  type: 'object',
  description: 'Token response of OAuth 2.0 (RFC 6749 §5.1), with the user.',
  properties: {
    access_token: { type: 'string', description: 'For `Authorization: Bearer …`.' },
    token_type: { type: 'string', const: 'Bearer' },
    expires_in: SECONDS,
    refresh_token: { type: 'string', description: 'Can be used once; the response has the next one.' },
    user: USER,
  },
  required: ['access_token', 'token_type', 'expires_in', 'refresh_token', 'user'],
};

const CALLER: Part = {
  type: 'object',
  properties: {
    sub: text,
    roles: { type: 'array', items: text },
    claims: { type: 'object', additionalProperties: true },
    expires_at: { type: ['string', 'null'], format: 'date-time' },
  },
  required: ['sub', 'roles', 'claims', 'expires_at'],
};

const TICKET: Part = {
  type: 'object',
  properties: { ticket: text, expires_in: SECONDS },
  required: ['ticket', 'expires_in'],
};

function strings(...names: readonly string[]): Part {
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, text])),
    required: names,
    additionalProperties: false,
  };
}

type Given = Omit<ContractOperation, 'tag' | 'method' | 'path'> & { readonly method?: 'get' };

function operation(name: string, given: Given): ContractOperation {
  return { tag: TAG, method: 'post', path: `/_/auth/${name}`, ...given };
}

const BODY = ['BAD_REQUEST', 'INVALID_JSON', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const;
const CREDENTIALS = { name: 'ada', password: 'correct horse battery staple' };

const ALWAYS: readonly ContractOperation[] = [
  operation('me', {
    id: 'getCaller',
    method: 'get',
    summary: 'Shows how the server identifies the caller',
    responses: { 200: jsonAnswer('The caller.', CALLER) },
    codes: ['INVALID_CREDENTIALS'],
    access: 'authenticated',
  }),
  operation('ticket', {
    id: 'createTicket',
    summary: 'Issues a ticket that opens one stream or WebSocket',
    description: 'For clients that cannot send `Authorization`: `?ticket=…` in the address of the stream.',
    responses: { 200: jsonAnswer('The ticket. It can be used once, within `expires_in` seconds.', TICKET) },
    codes: ['BAD_REQUEST', 'INVALID_CREDENTIALS'],
    access: 'authenticated',
  }),
];

const SIGNUP = operation('signup', {
  id: 'signUp',
  summary: 'Creates an account and logs in',
  body: jsonBody(strings('name', 'password'), CREDENTIALS),
  responses: { 201: jsonAnswer('The account, with its tokens.', TOKENS) },
  codes: [...BODY, 'CONFLICT', 'TOO_MANY_ATTEMPTS', 'OVERLOADED'],
  access: 'anyone',
});

const LOGINS: readonly ContractOperation[] = [
  operation('login', {
    id: 'logIn',
    summary: 'Logs in with name and password',
    body: jsonBody(strings('name', 'password'), CREDENTIALS),
    responses: { 200: jsonAnswer('Tokens and the user.', TOKENS) },
    codes: [...BODY, 'INVALID_CREDENTIALS', 'TOO_MANY_ATTEMPTS', 'OVERLOADED'],
    access: 'anyone',
  }),
  operation('refresh', {
    id: 'refreshTokens',
    summary: 'Exchanges a refresh token for new tokens',
    body: jsonBody(strings('refresh_token')),
    responses: { 200: jsonAnswer('New tokens and the user.', TOKENS) },
    codes: [...BODY, 'INVALID_CREDENTIALS', 'TOO_MANY_ATTEMPTS'],
    access: 'anyone',
  }),
  operation('logout', {
    id: 'logOut',
    summary: 'Ends a session',
    body: jsonBody(strings('refresh_token')),
    responses: { 204: { description: 'The session has ended, if there was one.' } },
    codes: [...BODY],
    access: 'anyone',
  }),
  operation('password', {
    id: 'changePassword',
    summary: 'Changes the password of the caller',
    description: 'All other sessions of the user end.',
    body: jsonBody(strings('old', 'new')),
    responses: { 200: jsonAnswer('New tokens and the user.', TOKENS) },
    codes: [...BODY, 'INVALID_CREDENTIALS', 'TOO_MANY_ATTEMPTS', 'OVERLOADED'],
    access: 'authenticated',
  }),
];

export interface AuthOffer {
  /** True when there are built-in users. */
  readonly users: boolean;
  /** True when anonymous callers may create an account. */
  readonly signup: boolean;
}

/** Describes `/_/auth/…` of an application with authentication. */
export function describeAuthRoutes({ users, signup }: AuthOffer): Described {
  return {
    operations: [...(users && signup ? [SIGNUP] : []), ...(users ? LOGINS : []), ...ALWAYS],
    tags: [{ name: TAG, description: 'Logging in and out, and tickets for streams.' }],
  };
}
