/** The thread in which values are held to JSON Schemas: both come from other people, and what never ends there holds up nobody else. */
import { parentPort } from 'node:worker_threads';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvDraft04 from 'ajv-draft-04';
import ajvFormats from 'ajv-formats';
import type { SchemaAnswer, SchemaRequest } from './schemas/json-schema.ts';

/** Schemas that are kept compiled; the one that was asked for the longest ago goes first. */
const COMPILED_MAX = 100;
/** Faults of one value that are told, and characters of each. */
const FAULTS_MAX = 5;
const FAULT_CHARS_MAX = 300;

type Validator = Pick<Ajv, 'addSchema' | 'compile'>;

const compiled = new Map<number, ValidateFunction>();

parentPort?.on('message', (request: SchemaRequest) => {
  parentPort?.postMessage(answerTo(request));
});

function answerTo({ id, schema, references, values }: SchemaRequest): SchemaAnswer {
  let validate: ValidateFunction;
  try {
    validate = compiled.get(id) ?? compile(schema, references);
  } catch (error) {
    return { failed: messageOf(error) };
  }
  compiled.delete(id);
  compiled.set(id, validate);
  const [oldest] = compiled.keys();
  if (compiled.size > COMPILED_MAX && oldest !== undefined) compiled.delete(oldest);
  try {
    return { faults: values.map((value) => faultsOf(validate, value)) };
  } catch (error) {
    // A schema that leads into itself without end, or a value that is nested deeper than anybody can go.
    return { failed: messageOf(error) };
  }
}

/** Nothing is fetched: what is referred to is in the schema, or among the references that the registry keeps with it. */
function compile(schema: string, references: SchemaRequest['references']): ValidateFunction {
  const root: unknown = JSON.parse(schema);
  const ajv = validatorFor(draftOf(root));
  const base = idOf(root);
  for (const { name, schema: text } of references) {
    const reference = withoutDraft(JSON.parse(text));
    ajv.addSchema(reference, name);
    // Names are looked for beside the schema that refers to them, where it says where it is.
    const beside = base !== undefined && URL.canParse(name, base) ? new URL(name, base).href : undefined;
    const own = idOf(reference);
    if (beside !== undefined && beside !== name && beside !== own && own === undefined) {
      ajv.addSchema(reference, beside);
    }
  }
  return ajv.compile(withoutDraft(root));
}

type Draft = '04' | '07' | '2019-09' | '2020-12';

/** Registries take a schema that does not say for one of draft 7, which reads those of draft 6 too. */
function draftOf(schema: unknown): Draft {
  const said = typeof schema === 'object' && schema !== null && '$schema' in schema ? String(schema.$schema) : '';
  if (said.includes('draft-04')) return '04';
  return (['2019-09', '2020-12'] as const).find((draft) => said.includes(draft)) ?? '07';
}

function validatorFor(draft: Draft): Validator {
  // Words that a draft does not have say nothing, as it wants them to.
  const options = { strict: false, allErrors: true, ownProperties: true, logger: false } as const;
  const made =
    draft === '04'
      ? new ajvDraft04.default(options)
      : new { '07': Ajv, '2019-09': Ajv2019, '2020-12': Ajv2020 }[draft](options);
  ajvFormats.default(made);
  return made;
}

/** The draft has been read from it; one that Ajv does not know would be looked for. */
function withoutDraft(schema: unknown): object | boolean {
  if (typeof schema === 'boolean') return schema;
  if (typeof schema !== 'object' || schema === null) throw new Error('it is no JSON Schema');
  const { $schema: _, ...rest } = schema as Record<string, unknown>;
  return rest;
}

function idOf(schema: unknown): string | undefined {
  if (typeof schema !== 'object' || schema === null) return undefined;
  const { $id, id } = schema as Record<string, unknown>;
  const own = $id ?? id;
  return typeof own === 'string' ? own : undefined;
}

function faultsOf(validate: ValidateFunction, value: string): string[] {
  if (validate(JSON.parse(value)) === true) return [];
  const errors = validate.errors ?? [];
  const told = errors.slice(0, FAULTS_MAX).map(describe);
  return errors.length > FAULTS_MAX ? [...told, `… ${errors.length - FAULTS_MAX} more`] : told;
}

function describe({ instancePath, message = 'does not fit', params }: ErrorObject): string {
  // What the message leaves out: which property is too much, and what would have been right.
  const { additionalProperty, unevaluatedProperty, allowedValues, allowedValue } = params as Record<string, unknown>;
  const more = additionalProperty ?? unevaluatedProperty ?? allowedValues ?? allowedValue;
  const detail = more === undefined ? '' : `: ${typeof more === 'string' ? more : JSON.stringify(more)}`;
  return `${instancePath === '' ? '$' : `$${instancePath}`} ${message}${detail}`.slice(0, FAULT_CHARS_MAX);
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, FAULT_CHARS_MAX);
}
