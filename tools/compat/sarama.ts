/** Go's sarama, which does all it does in the version that its program sets: old and new ones of the protocol alike. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../clients/index.ts';
import { cacheFolder } from '../kafka/index.ts';
import type { Case } from './report.ts';

const SOURCE = join(import.meta.dirname, 'sarama');
const BUILD_MS_MAX = 240_000;

/** Versions of Kafka at which the protocol took another turn, and what sarama can do in them. */
const OPERATIONS: readonly {
  readonly operation: string;
  readonly does: string;
  readonly versions: readonly string[];
}[] = [
  {
    operation: 'records',
    does: 'writes with each codec and reads it back',
    versions: ['0.8.2.0', '0.9.0.1', '0.10.0.1', '0.10.2.0', '0.11.0.2', '1.0.0', '2.1.0', '2.8.0', '3.6.0', '4.1.0'],
  },
  {
    operation: 'group',
    does: 'goes on in a group where it was',
    versions: ['0.10.2.0', '0.11.0.2', '1.0.0', '2.1.0', '2.8.0', '3.6.0', '4.1.0'],
  },
  {
    operation: 'admin',
    does: 'administers topics, configs and records',
    versions: ['1.0.0', '2.1.0', '2.8.0', '3.6.0', '4.1.0'],
  },
  {
    operation: 'transactions',
    does: 'aborts and commits transactions',
    versions: ['0.11.0.2', '1.0.0', '2.1.0', '2.8.0', '3.6.0', '4.1.0'],
  },
];

/** Builds the program that speaks for sarama. @returns where it is */
export async function buildSarama(): Promise<string> {
  mkdirSync(cacheFolder(), { recursive: true });
  const program = join(cacheFolder(), 'sarama');
  await runProgram('go', ['build', '-C', SOURCE, '-o', program, '.'], { timeoutMs: BUILD_MS_MAX });
  return program;
}

export function saramaCases(bootstrap: string, program: string): Case[] {
  return OPERATIONS.flatMap(({ operation, does, versions }) =>
    versions.map((version) => ({
      name: `as of ${version} ${does}`,
      async run() {
        const name = `sarama-${process.pid}-${operation}-${version}`;
        await runProgram(program, [operation, bootstrap, name, version]);
        return undefined;
      },
    })),
  );
}
