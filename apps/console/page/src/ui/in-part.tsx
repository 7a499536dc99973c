import type { ReactNode } from 'react';
import { SEARCHED_PART_BYTES_MAX } from '../../../src/api/search-bounds.ts';
import { bytes } from '../lib/format.ts';
import { useWords } from '../lib/settings.ts';

/** That a search has not looked at all of some messages: what was not found may be in them. */
export function InPart({ records }: { readonly records: number }): ReactNode {
  const say = useWords();
  if (records === 0) return null;
  return (
    <p className="health warn" role="status">
      {say('inPart', { n: records, size: bytes(SEARCHED_PART_BYTES_MAX) })}
    </p>
  );
}
