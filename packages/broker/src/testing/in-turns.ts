import { nextTurn } from '@millrace/ports';

/** More turns of the event loop than anything takes that happens in memory alone. */
const TURNS_MAX = 1000;

/** Waits until an assertion holds, by turns of the event loop and not by a clock: how fast the machine is decides nothing. */
export async function inTurns(assertion: () => void): Promise<void> {
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    try {
      return assertion();
    } catch {
      await nextTurn();
    }
  }
  assertion();
}
