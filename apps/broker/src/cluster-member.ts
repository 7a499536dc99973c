/**
 * The program of one broker of a local cluster: its parent tells it what to start with and when to stop, and when the parent is gone, it
 * ends. Nobody runs it by hand.
 */
import { enableCompileCache } from 'node:module';
import type { FromMember, ToMember } from './local-cluster/messages.ts';

// More threads of libuv than its four let more partitions sync at a time; it reads this before its first file call.
process.env.UV_THREADPOOL_SIZE ??= '16';
// Loading what was compiled before takes a third of the time.
enableCompileCache();

const { ClusterMember } = await import('./local-cluster/member.ts');

const tell = (message: FromMember): void => {
  // A parent that has just gone is told of by 'disconnect'; without a callback it would be an error that nobody catches.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
};
const member = new ClusterMember({
  env: process.env,
  tell,
  exit: (exitCode) => process.exit(exitCode),
});
process.on('message', (message: ToMember) => {
  // The brokers' processes look alike otherwise, for whoever is to stop or to watch one of them.
  if (message.type === 'start') process.title = `millrace broker ${message.overrides['broker.id']}`;
  member.told(message);
});
process.on('disconnect', () => member.orphaned());
// The parent decides: a terminal's Ctrl-C reaches the whole group.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('SIGTERM', () => member.stopAlone());
tell({ type: 'loaded' });
