import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import type { Part } from '../../src/openapi/schemas/schemas.ts';

const require = createRequire(import.meta.url);
const specification = JSON.parse(
  readFileSync(require.resolve('@asyncapi/specs/schemas/3.0.0-without-$id.json'), 'utf8'),
) as object;
const asyncAjv = new Ajv({ strict: false, allErrors: true, logger: false });
addFormats.default(asyncAjv);
const isAsyncApi = asyncAjv.compile(specification);

/** Returns the errors of an OpenAPI document, its references included. */
export async function openApiMistakes(document: Part): Promise<unknown> {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  return valid ? brokenReferences(document) : errors;
}

/** Returns the errors of an AsyncAPI document, its references included. */
export function asyncApiMistakes(document: Part): unknown {
  return isAsyncApi(document) ? brokenReferences(document) : isAsyncApi.errors;
}

function brokenReferences(document: Part): string[] {
  const broken: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, member] of Object.entries(value)) {
      if (name === '$ref' && typeof member === 'string' && resolve(document, member) === undefined) broken.push(member);
      visit(member);
    }
  };
  visit(document);
  return broken;
}

/** Returns the part of a document that a reference names. */
export function resolve(document: Part, reference: string): unknown {
  let value: unknown = document;
  for (const name of reference.slice(2).split('/')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
