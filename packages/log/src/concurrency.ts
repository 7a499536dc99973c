/** Calls `work` for every item, with at most `concurrencyMax` calls at a time. Rejects with the first failure, when all have ended. */
export async function eachOf<T>(
  items: Iterable<T>,
  concurrencyMax: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrencyMax }, worker));
  if (failures.length > 0) throw failures[0];
}
