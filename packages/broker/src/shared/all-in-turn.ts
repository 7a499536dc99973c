/** Takes every step, whatever becomes of those before it. @throws AggregateError of what failed. */
export async function allInTurn(steps: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'The broker could not stop in order');
}
