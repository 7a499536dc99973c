import type { ReactNode } from 'react';
import { useFailure } from '../lib/settings.ts';
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

/** What the server says is not there. */
export function Gone({ error, ...props }: { name: string; error: Error; children: ReactNode }): ReactNode {
  return <Missing {...props} message={useFailure(error).text} />;
}
