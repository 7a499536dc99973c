/**
 * `node tools/zookeeper/main.ts start [--servers N] [--release 3.9.3]` runs ZooKeeper servers in temporary folders until Ctrl-C,
 * `... capture FILE` records what clients and a server say to one another, `... figures` measures the client against them, `... suite [--release 3.9.3]` holds it to all that the tests say,
 * `... rights` compares who may do what with each node that Apache Kafka 3.9.1 and we make with zookeeper.set.acl,
 * `... downgrade [--kafka 3.7.2]` goes through what docs/operating.md says of a Kafka below 3.8 that joins.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { zooKeeperClassPath } from '../kafka/jars.ts';
import { root } from '../source/index.ts';
import { ZooKeeperEnsemble } from './ensemble.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    servers: { type: 'string', default: '1' },
    release: { type: 'string' },
    kafka: { type: 'string', default: '3.7.2' },
  },
});
const print = (line: string): void => void process.stdout.write(`${line}\n`);
if (values.release !== undefined) process.env['MILLRACE_ZOOKEEPER'] = values.release;

switch (positionals[0]) {
  case 'start':
    await start();
    break;
  case 'figures':
    await (await import('./figures.ts')).figures(print);
    break;
  case 'capture':
    await (await import('./capture.ts')).capture(positionals[1] ?? 'capture.jsonl');
    break;
  case 'downgrade':
    await (await import('./downgrade.ts')).downgrade(values.kafka, print);
    break;
  case 'rights':
    process.exitCode = (await (await import('./rights.ts')).compareNodeRights(print)) === 0 ? 0 : 1;
    break;
  case 'suite':
    await suite();
    break;
  default:
    print(
      'node tools/zookeeper/main.ts start | figures | capture FILE | rights | suite | downgrade [--servers N] [--release 3.9.3] [--kafka 3.7.2]',
    );
    process.exitCode = 2;
}

async function start(): Promise<void> {
  const ensemble = await ZooKeeperEnsemble.start({ servers: Number(values.servers), tickMs: 2000 });
  print(`ZooKeeper serves at ${ensemble.connectString}; Ctrl-C stops it`);
  const alive = setInterval(() => {}, 60_000);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  clearInterval(alive);
  await ensemble.stop();
}

async function suite(): Promise<void> {
  if (values.release !== undefined) await zooKeeperClassPath(values.release);
  const child = spawn('vitest', ['run', 'tools/zookeeper'], { cwd: root, stdio: 'inherit', env: process.env });
  const [exitCode] = await once(child, 'exit');
  process.exitCode = Number(exitCode ?? 1);
}
