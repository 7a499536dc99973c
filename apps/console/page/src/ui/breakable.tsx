import { Fragment, type ReactNode } from 'react';
import { piecesOf } from '../lib/pieces.ts';
import { visible } from '../lib/visible.ts';

/** Text of a table's cell that is broken where a reader would break it. */
export function Breakable({ children }: { children: string }): ReactNode {
  const text = visible(children);
  const pieces = piecesOf(text);
  // A browser breaks behind a hyphen by itself.
  if (pieces.length === 1) return <span className="kept">{text}</span>;
  return pieces.map((piece, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the pieces have no other name than where they stand
    <Fragment key={index}>
      {index > 0 && <wbr />}
      {piece}
    </Fragment>
  ));
}
