/**
 * A program that serves a store over a socket as a local cluster's parent does, for tests that stop its process. It says on standard output
 * what becomes of sessions, a line each.
 */
import { MemoryMetadataStore } from '@millrace/metadata';
import { systemClock, systemRandom } from '@millrace/ports';
import { ZooKeeperListener } from '../server/listener.ts';
import { ZooKeeperServer } from '../server/server.ts';

const server = new ZooKeeperServer({
  store: new MemoryMetadataStore(),
  clock: systemClock,
  random: systemRandom,
  sessionEndsWithSocket: true,
  onSession: (id, event) => void process.stdout.write(`${event} ${id}\n`),
});
await ZooKeeperListener.listen(server, { path: process.argv[2] as string });
process.stdout.write('listening\n');
