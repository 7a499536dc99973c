/** Instants in the addresses of pages: with their zone, so that whoever is given an address looks at the same one. */

/** An instant of an address, in milliseconds since the Unix epoch; one without a zone is the reader's own. NaN where it is none. */
export function instantMs(at: string | number | undefined): number {
  if (at === undefined || at === '') return Number.NaN;
  return new Date(/^\d+$/.test(String(at)) ? Number(at) : at).getTime();
}

/** An instant for an address; undefined where it is none. */
export function instantOf(typed: string): string | undefined {
  const at = new Date(typed);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** An instant as fields for it take one, in the reader's zone; nothing where it is none. */
export function localField(at: string | number | undefined): string {
  const ms = instantMs(at);
  if (Number.isNaN(ms)) return '';
  const given = new Date(ms);
  const local = new Date(ms - given.getTimezoneOffset() * 60_000);
  return Number.isNaN(local.getTime()) ? '' : local.toISOString().slice(0, -1);
}
