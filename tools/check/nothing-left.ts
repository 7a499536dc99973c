/** Loaded before every test file that shares its process: what it changes of the process it has to put back, or the next one runs on it. */
import { afterAll, expect, vi } from 'vitest';

/** What is listened to in a test only by somebody who forgets to stop; to others, modules listen from when they are loaded. */
const EVENTS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'uncaughtException', 'unhandledRejection', 'message'];

const found = stateOfProcess();
afterAll(() => {
  const left = stateOfProcess();
  const names = [...new Set([...found.keys(), ...left.keys()])];
  const changed = names.filter((name) => found.get(name) !== left.get(name));
  expect(changed, 'what a test file has changed of its process and not put back').toEqual([]);
});

function stateOfProcess(): Map<string, unknown> {
  return new Map<string, unknown>([
    ...Object.entries(process.env).map(([name, value]) => [`process.env.${name}`, value] as const),
    ...EVENTS.map((event) => [`listeners of ${event}`, process.listenerCount(event)] as const),
    ['fake timers', vi.isFakeTimers()],
    ['process.cwd()', process.cwd()],
    ['process.emitWarning', process.emitWarning],
    ['process.exitCode', process.exitCode],
  ]);
}
