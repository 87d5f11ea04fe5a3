import type { ErrorCode } from '../../errors.ts';
import {
  type ContractMethod,
  type ContractOperation,
  type Described,
  eventStream,
  operationName,
  pathTemplate,
  SWITCHING,
} from '../../openapi/contract-operation.ts';
import type { Part } from '../../openapi/schemas/schemas.ts';
import { exampleOf, jsonSchemaOf } from './json-schema.ts';
import type { HttpRoute, Route } from './route.ts';

const TAG = 'Routes';
const BODY_CODES = ['INVALID_JSON', 'VALIDATION_ERROR', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const;

/** Describes routes in code for the documents of the API; `prefix` is `routes_prefix` of config.yaml. */
export function describeRouteOperations(routes: readonly Route[], prefix: string): Described {
  const operations = routes.flatMap((route) => describeRoute(route, prefix));
  return { operations, tags: [{ name: TAG, description: 'Routes in code of the application.' }] };
}

function describeRoute(route: Route, prefix: string): ContractOperation[] {
  const segments = `${prefix}/${route.key}`.split('/').filter((segment) => segment !== '');
  const { path, parameters } = pathTemplate(segments);
  const base = {
    tag: TAG,
    path,
    parameters: [...parameters, ...queryParameters(route)],
    ...(route.access === undefined ? {} : { access: 'authenticated' as const }),
  };
  const name = (method: string) => operationName(method, route.key.split('/'));
  if (route.kind === 'http')
    return route.methods.map((method) => describeHttp(route, { ...base, id: name(method), method }));
  const codes: readonly ErrorCode[] = ['VALIDATION_ERROR', 'FORBIDDEN_ORIGIN', 'TOO_MANY_CONNECTIONS'];
  if (route.kind === 'sse') {
    const summary = `Streams ${route.key}`;
    return [{ ...base, id: name('stream'), method: 'get', summary, responses: { 200: eventStream('Events.') }, codes }];
  }
  const message = jsonSchemaOf(route.message);
  return [
    {
      ...base,
      id: name('open'),
      method: 'get',
      summary: `Opens the WebSocket ${route.key}`,
      responses: { 101: message === undefined ? SWITCHING : { ...SWITCHING, 'x-message': message } },
      codes: [...codes, 'UPGRADE_REQUIRED'],
    },
  ];
}

interface OperationBase extends Pick<ContractOperation, 'id' | 'tag' | 'path' | 'parameters'> {
  readonly method: HttpRoute['methods'][number];
}

function describeHttp(route: HttpRoute, { method, ...base }: OperationBase): ContractOperation {
  const hasBody = method !== 'GET' && method !== 'DELETE';
  const schema = jsonSchemaOf(route.body);
  const given = { description: 'JSON, a string or bytes, depending on the route.' };
  const body = { required: route.body !== undefined, content: { 'application/json': { schema: schema ?? given } } };
  return {
    ...base,
    method: method.toLowerCase() as ContractMethod,
    summary: `${method} ${route.key}`,
    ...(hasBody ? { body } : {}),
    responses: {
      200: {
        description: 'What the handler returns.',
        content: { 'application/json': { schema: { description: 'Any JSON value.' } } },
      },
      204: { description: 'The handler returned nothing.' },
    },
    codes: [
      ...(route.query === undefined ? [] : (['VALIDATION_ERROR'] as const)),
      ...(hasBody ? BODY_CODES : []),
      ...(route.access === undefined ? [] : (['FORBIDDEN'] as const)),
      'HANDLER_ERROR',
    ],
  };
}

/** Properties of an object schema as parameters; none for other schemas. */
function queryParameters({ query }: Route): readonly Part[] {
  const schema = jsonSchemaOf(query);
  const { properties = {}, required = [] } = (schema ?? {}) as {
    readonly properties?: Readonly<Record<string, Part>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...member }]) => {
    const example = exampleOf(member);
    return {
      name,
      in: 'query',
      ...(required.includes(name) ? { required: true } : {}),
      ...(description === undefined ? {} : { description }),
      schema: member,
      ...(example === undefined ? {} : { example }),
    };
  });
}
