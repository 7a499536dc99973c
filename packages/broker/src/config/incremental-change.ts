import type { ConfigDefinition } from './definition.ts';
import type { ConfigProperties } from './topic-config.ts';
import { formatConfigValue } from './values.ts';

/** What IncrementalAlterConfigs does with a config, with the ids that it carries (`AlterConfigOp.OpType`). */
export const CONFIG_OPERATION = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 } as const;

/** One change of one config. */
export interface ConfigOperation {
  readonly name: string;
  readonly configOperation: number;
  readonly value: string | null;
}

/** The configs after the changes, or why they cannot be made. */
export type ChangedConfigs = { readonly properties: ConfigProperties } | { readonly fault: string };

/**
 * Applies changes to what is set. Values are added to and taken from lists only; where nothing is set, from the list that
 * holds by default.
 */
export function applyOperations(
  before: ConfigProperties,
  operations: readonly ConfigOperation[],
  definitionOf: (name: string) => ConfigDefinition | undefined,
): ChangedConfigs {
  const after: Record<string, string> = { ...before };
  for (const { name, configOperation, value } of operations) {
    switch (configOperation) {
      case CONFIG_OPERATION.SET:
        after[name] = value ?? '';
        break;
      case CONFIG_OPERATION.DELETE:
        delete after[name];
        break;
      case CONFIG_OPERATION.APPEND:
      case CONFIG_OPERATION.SUBTRACT: {
        const isAppend = configOperation === CONFIG_OPERATION.APPEND;
        const definition = definitionOf(name);
        if (definition?.type !== 'LIST') {
          const verb = isAppend ? 'append' : 'subtract';
          return { fault: `Config value ${verb} is not allowed for config key: ${name}` };
        }
        const present = partsOf(after[name] ?? formatConfigValue('LIST', definition.defaultValue ?? []));
        after[name] = (
          isAppend ? withParts(present, partsOf(value ?? '')) : without(present, partsOf(value ?? ''))
        ).join(',');
        break;
      }
      default:
        return { fault: `Unknown operation ${configOperation} for key ${name}.` };
    }
  }
  return { properties: after };
}

function partsOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function withParts(present: readonly string[], added: readonly string[]): string[] {
  return [...new Set([...present, ...added])];
}

function without(present: readonly string[], removed: readonly string[]): string[] {
  return present.filter((part) => !removed.includes(part));
}
