/**
 * A call on several items that fails for some has been carried out for the rest: those are told before the error is, so that whoever reads
 * it knows what there is now.
 */
export async function tellingTheRest<T, R>(
  items: readonly T[],
  nameOf: (item: T) => string,
  call: () => Promise<R>,
  tell: (done: readonly T[]) => Promise<void>,
): Promise<R> {
  try {
    return await call();
  } catch (error) {
    const { failures } = error as { failures?: ReadonlyMap<string, unknown> };
    const done = failures === undefined ? [] : items.filter((item) => !failures.has(nameOf(item)));
    if (done.length > 0) await tell(done);
    throw error;
  }
}
