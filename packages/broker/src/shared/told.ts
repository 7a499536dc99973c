/** So many of a kind at once are told one by one, and so many of more are named. */
export const TOLD_ONE_BY_ONE_MAX = 10;

/** How something is told that happens to one partition, or to many at once. */
export interface Telling<Each> {
  readonly tell: (fields: object, message: string) => void;
  /** Of one: its fields and the message. */
  readonly fieldsOf: (each: Each) => object;
  readonly one: string;
  /** Of many: what they have in common beside their number and some names, and the message. */
  readonly common?: object;
  readonly nameOf: (each: Each) => string;
  readonly many: string;
}

/** A line for each, as long as somebody reads them; else one for all, with their number and the first names. */
export function tellAll<Each>(all: readonly Each[], telling: Telling<Each>): void {
  const { tell, fieldsOf, one, common, nameOf, many } = telling;
  if (all.length <= TOLD_ONE_BY_ONE_MAX) {
    for (const each of all) tell(fieldsOf(each), one);
    return;
  }
  const some = all.slice(0, TOLD_ONE_BY_ONE_MAX).map(nameOf);
  tell({ ...common, partitions: all.length, some }, many);
}
