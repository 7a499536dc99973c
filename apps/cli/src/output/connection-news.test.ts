import { channel } from 'node:diagnostics_channel';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { tellConnectionNews } from './connection-news.ts';
import { Output } from './output.ts';

it('tells once that a broker is away, and once that it is back', () => {
  const stderr = new PassThrough();
  const io = { stdin: new PassThrough(), stdout: new PassThrough(), stderr, env: {}, onInterrupt: () => () => {} };
  const connects = channel('millrace:connection:connect');
  const failed = { host: 'a', port: 1, error: new Error('refused') };
  const connected = { host: 'a', port: 1 };
  {
    using _news = tellConnectionNews(new Output(io, { json: false, quiet: false }));
    for (const event of [connected, failed, failed, { ...failed, host: 'b' }, connected, connected]) {
      connects.publish(event);
    }
  }
  connects.publish(failed);
  expect(String(stderr.read())).toBe(
    [
      'warning: broker a:1 cannot be reached; trying again',
      'warning: broker b:1 cannot be reached; trying again',
      'Broker a:1 is back',
      '',
    ].join('\n'),
  );
});
