/**
 * `pnpm cluster up|status|kill N|stop N|start N|down|tools|pictures [--file compose.yaml] [--folder .cluster]`: runs a compose file of brokers, ZooKeepers and
 * a console as processes of this machine, without Docker. Names of containers lead to this machine (`--names` leaves them as they are,
 * for a machine whose hosts file knows them).
 */
import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../source/index.ts';
import { ComposeError, readCompose } from './compose.ts';
import { runKafkaTools } from './kafka-tools.ts';
import { type Plan, type Process, planOf } from './plan.ts';
import { Processes } from './processes.ts';

const USAGE = `pnpm cluster up          starts all services of the compose file, in the background
pnpm cluster status      what runs, and where
pnpm cluster kill N      kills broker N (or a service by its name) with SIGKILL
pnpm cluster stop N      stops it in order
pnpm cluster start N     starts it again
pnpm cluster down        stops all of it; volumes stay
pnpm cluster tools       what a tutorial does, by Kafka's own tools (see tools/kafka); --write keeps it in docs/kafka-commands.md
pnpm cluster pictures    kills broker 2 and has it catch up; pictures of the console go to docs/public, or to FOLDER
  --file FILE            default: apps/broker/docker/compose.yaml
  --folder FOLDER        where volumes and logs are; default: .cluster
  --http-port PORT       /metrics and /health of the first broker; others take the next. Default: 19644
  --names                leave the names of containers as they are: /etc/hosts has to know them
`;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    file: { type: 'string', default: join(root, 'apps/broker/docker/compose.yaml') },
    folder: { type: 'string', default: join(root, '.cluster') },
    'http-port': { type: 'string', default: '19644' },
    names: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const [verb, which] = positionals;

try {
  process.exitCode = await run();
} catch (error) {
  process.stderr.write(`cluster: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof ComposeError ? 78 : 1;
}

async function run(): Promise<number> {
  const folder = resolve(values.folder);
  const services = readCompose(readFileSync(values.file, 'utf8'), process.env);
  const plan = planOf(services, { folder, isLoopback: !values.names, httpPort: Number(values['http-port']) });
  const processes = new Processes(folder);
  if (values.help || verb === undefined) print(USAGE);
  else if (verb === 'up') await up(plan, processes);
  else if (verb === 'status') status(plan, processes);
  else if (verb === 'down') await down(plan, processes);
  else if (verb === 'start') await startOne(theOne(plan), processes);
  else if (verb === 'tools') return (await runKafkaTools(print, values.write)) ? 0 : 1;
  else if (verb === 'pictures') await picture(plan, processes);
  else if (verb === 'kill' || verb === 'stop') return endOne(theOne(plan), processes);
  else {
    process.stderr.write(USAGE);
    return 64;
  }
  return 0;
}

/** Needs a browser, which nothing else here does: loaded when it is asked for. */
async function picture(plan: Plan, processes: Processes): Promise<void> {
  await up(plan, processes);
  const { takePictures } = await import('./pictures.ts');
  await takePictures(plan, processes, resolve(which ?? join(root, 'docs/public')), print);
}

async function up(plan: Plan, processes: Processes): Promise<void> {
  await checkNames(plan);
  for (const warning of plan.warnings) print(warning);
  for (const { name, image } of plan.passedOver) print(`${name} is passed over: ${image} is none of what runs here`);
  for (const kind of ['zookeeper', 'broker', 'console'] as const) {
    const some = plan.processes.filter((each) => each.kind === kind);
    await Promise.all(some.map((each) => processes.start(each)));
    await Promise.all(some.map((each) => processes.untilServing(each)));
  }
  status(plan, processes);
}

/** Without an entry for them, brokers would wait for one another for ever. */
async function checkNames({ hosts }: Plan): Promise<void> {
  const missing: string[] = [];
  for (const host of hosts) await lookup(host).catch(() => missing.push(host));
  if (missing.length === 0) return;
  throw new ComposeError(
    `This machine does not know ${missing.join(', ')}. Leave out --names, or add to /etc/hosts:\n127.0.0.1 ${missing.join(' ')}`,
  );
}

async function down({ processes: all }: Plan, processes: Processes): Promise<void> {
  // What keeps the metadata goes last.
  for (const kind of ['console', 'broker', 'zookeeper'] as const) {
    const some = all.filter((each) => each.kind === kind);
    await Promise.all(some.map(({ name }) => processes.end(name, 'SIGTERM')));
  }
  print('All of it has stopped; volumes are kept');
}

async function startOne(service: Process, processes: Processes): Promise<void> {
  await processes.start(service);
  await processes.untilServing(service);
  print(`${service.name} serves`);
}

/** @returns the exit code: a script must notice that it killed nothing */
async function endOne({ name }: Process, processes: Processes): Promise<number> {
  const ended = await processes.end(name, verb === 'kill' ? 'SIGKILL' : 'SIGTERM');
  print(ended ? `${name} has ended` : `${name} did not run`);
  return ended ? 0 : 1;
}

function theOne({ processes }: Plan): Process {
  const found = processes.find(
    ({ name, kind, number }) => name === which || (kind === 'broker' && String(number) === which),
  );
  if (found !== undefined) return found;
  throw new ComposeError(
    `There is no ${which ?? 'service without a name'}: there are ${processes.map(({ name }) => name).join(', ')}`,
  );
}

function status({ processes: all }: Plan, processes: Processes): void {
  for (const { name, kind, port, environment } of all) {
    const state = processes.isRunning(name) ? 'runs' : 'is down';
    const clients = (environment['KAFKA_ADVERTISED_LISTENERS'] ?? '').match(/(?<=:\/\/)[^,]*$/)?.[0];
    const where =
      kind === 'zookeeper' ? `port ${port}` : kind === 'console' ? `http://localhost:${port}` : (clients ?? '');
    print(`${name.padEnd(14)} ${state.padEnd(8)} ${where}`);
  }
}
