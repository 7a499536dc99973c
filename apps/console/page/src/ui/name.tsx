import type { ReactNode } from 'react';
import { NAME_SHOWN_CHARS, shownName, visible } from '../lib/visible.ts';
import { Breakable } from './breakable.tsx';

/** What somebody else has called something: whatever it is, it is seen, and no wider than a page. */
export function Name({ children }: { children: string }): ReactNode {
  if (children.length <= NAME_SHOWN_CHARS) return <Breakable>{shownName(children)}</Breakable>;
  return (
    <span title={visible(children)}>
      <Breakable>{shownName(children)}</Breakable>
    </span>
  );
}
