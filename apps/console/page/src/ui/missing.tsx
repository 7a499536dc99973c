import type { ReactNode } from 'react';
import { visible } from '../lib/visible.ts';
import { Name } from './name.tsx';
import { Empty } from './parts.tsx';

/** In the place of what there is not: nothing can be done with it, and others are near. */
export function Missing(props: { name: string; message: string; children: ReactNode }): ReactNode {
  return (
    <>
      <div className="title">
        <h1 className="name">
          <Name>{props.name}</Name>
        </h1>
      </div>
      <Empty>
        {visible(props.message)}
        <br />
        {props.children}
      </Empty>
    </>
  );
}
