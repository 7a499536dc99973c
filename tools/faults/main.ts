/** `pnpm faults kill-nine|kills|links|events|copies|migration|power-loss|hostile|frames [options]`: see README.md beside this file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { killBrokers } from './cluster-kills.ts';
import { CLIENTS, type ClientName, type LoadReport } from './cluster-load.ts';
import { ENGINES } from './cluster-process.ts';
import { librdkafkaCommand, whyNoLibrdkafka } from './copiers/foreign-copiers.ts';
import { COPIERS, COPY_ENGINES, type CopierName, killCopiers } from './copy-kills.ts';
import { type CrashReport, killNine } from './crash-run.ts';
import { dataFolder } from './data-folder.ts';
import { EVENTS, type EventName, happen } from './events.ts';
import { gapTable } from './gap-table.ts';
import { faultsOf, floodFrames, P99_RATIO_MAX, p99Ratio } from './hostile/frame-flood.ts';
import { SIZES } from './hostile/oversized-requests.ts';
import { runHostile } from './hostile/run.ts';
import { leaveNothingBehind } from './leave-nothing.ts';
import { breakLinks, LINK_FAULTS, type LinkFault } from './links.ts';
import { FILE_SYSTEMS, type FileSystem, whyNoLoopDisk } from './loop-disk.ts';
import { migrate, WAYS, type Way } from './migration.ts';
import { powerLoss, unsyncedLosses } from './power-loss.ts';
import { sentAgain } from './retries.ts';

const USAGE = `usage: pnpm faults kill-nine  [--rounds 20] [--seed N] [--folder DIR] [--program FILE]
       pnpm faults power-loss [--rounds 20] [--seed N] [--folder DIR] [--program FILE] [--fs ext4|xfs] [--unsynced]
       pnpm faults kills      [--rounds 20] [--seed N] [--folder DIR] [--engine local|zookeeper] [--rolling] [--json]
                              [--stop-every N] [--empty-every N] [--pause-every N] [--keeper-every N] [--calm-ms 0]
                              [--pace-ms 10] [--spare-every N] [--program FILE]
                              [--kafka-brokers 1,2] [--kafka 3.9.1] [--inter-broker-protocol 3.9]
                              [--client millrace|kafkajs|librdkafka|java]... [--without-cleaning]
       pnpm faults links      [--rounds 20] [--seed N] [--folder DIR] [--fault ensemble|followers|lossy|...]... [--client NAME]... [--json]
       pnpm faults events     [--rounds 20] [--seed N] [--folder DIR] [--event quorum|full-disk|resize|...]... [--outage-ms 30000]
                              [--client NAME]... [--json]
       pnpm faults copies     [--rounds 20] [--seconds N] [--seed N] [--folder DIR] [--engine local|zookeeper|single] [--json]
                              [--copier millrace|kafkajs|librdkafka|java|java-3]...
       pnpm faults migration  [--way same-id|new-id] [--kafka 3.9.1] [--inter-broker-protocol 3.9] [--folder DIR] [--json]
       pnpm faults hostile    [--only TEXT] [--size '1 MiB'] [--part 2/6] [--all]
       pnpm faults frames     [--frames 1000000] [--seed N] [--before-login] [--p99-ratio 3]`;

const { values, positionals } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '20' },
    seed: { type: 'string' },
    folder: { type: 'string' },
    program: { type: 'string' },
    fs: { type: 'string', multiple: true, default: [...FILE_SYSTEMS] },
    unsynced: { type: 'boolean', default: false },
    only: { type: 'string' },
    part: { type: 'string' },
    size: { type: 'string', multiple: true },
    all: { type: 'boolean', default: false },
    engine: { type: 'string', default: 'local' },
    copier: { type: 'string', multiple: true },
    fault: { type: 'string', multiple: true },
    event: { type: 'string', multiple: true },
    'outage-ms': { type: 'string', default: '30000' },
    seconds: { type: 'string' },
    'stop-every': { type: 'string', default: '0' },
    'calm-ms': { type: 'string', default: '0' },
    'pace-ms': { type: 'string' },
    'empty-every': { type: 'string', default: '0' },
    'pause-every': { type: 'string', default: '0' },
    'spare-every': { type: 'string', default: '0' },
    'keeper-every': { type: 'string', default: '0' },
    rolling: { type: 'boolean', default: false },
    client: { type: 'string', multiple: true },
    'without-cleaning': { type: 'boolean', default: false },
    'kafka-brokers': { type: 'string' },
    kafka: { type: 'string' },
    way: { type: 'string', multiple: true },
    'inter-broker-protocol': { type: 'string' },
    frames: { type: 'string', default: '1000000' },
    'before-login': { type: 'boolean', default: false },
    'p99-ratio': { type: 'string', default: String(P99_RATIO_MAX) },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const rounds = Number(values.rounds);
// Another run, other moments: what this one met can be asked for again.
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const parent = folderOrExit();
const onRound = (line: string): void => console.log(line);
const shared = { rounds, seed, onRound, ...(values.program === undefined ? {} : { program: [values.program] }) };

leaveNothingBehind();
if (values.help) {
  console.log(USAGE);
} else if (positionals[0] === 'kill-nine') {
  await runKillNine();
} else if (positionals[0] === 'kills') {
  await buildLibrdkafka();
  await runKills();
} else if (positionals[0] === 'links') {
  await buildLibrdkafka();
  await runLinks();
} else if (positionals[0] === 'events') {
  await buildLibrdkafka();
  await runEvents();
} else if (positionals[0] === 'copies') {
  await runCopies();
} else if (positionals[0] === 'migration') {
  await buildLibrdkafka();
  for (const way of WAYS) if (values.way?.includes(way) ?? true) await runMigration(way);
} else if (positionals[0] === 'power-loss') {
  for (const fileSystem of FILE_SYSTEMS) if (values.fs.includes(fileSystem)) await runPowerLoss(fileSystem);
} else if (positionals[0] === 'hostile') {
  const sizes = values.size === undefined ? SIZES : SIZES.filter((size) => values.size?.includes(size));
  const isWithin = await runHostile({
    only: values.only,
    part: values.part,
    sizes,
    all: values.all,
    print: (text) => console.log(text),
  });
  process.exitCode = isWithin ? 0 : 1;
} else if (positionals[0] === 'frames') {
  await runFrames();
} else {
  console.error(USAGE);
  process.exitCode = 2;
}

function folderOrExit(): string {
  try {
    return dataFolder(values.help ? undefined : values.folder);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

/** Whoever runs this by hand waits for minutes, once, so that librdkafka's gaps are measured. Where it cannot be built, the verdict says so. */
async function buildLibrdkafka(): Promise<void> {
  if (whyNoLibrdkafka() === undefined) return;
  await librdkafkaCommand('paced-producer').catch((error: Error) => console.error(error.message));
}

async function runFrames(): Promise<void> {
  const frames = Number(values.frames);
  const isBeforeLogin = values['before-login'];
  console.log(
    `${frames} hostile frames before logins${isBeforeLogin ? '' : ' and after'}, over TLS and plain, seed ${seed}`,
  );
  const report = await floodFrames({ frames, seed, quietMs: 5_000, isBeforeLogin, print: onRound });
  const { isAlive, exitCode, growthBytes, quiet, flooded, spared, connections, seconds } = report;
  const shown = ({ answers, failed, p50Ms, p99Ms, longestMs }: typeof quiet): string =>
    `${answers} answers, ${failed.length} failed, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, longest ${longestMs.toFixed(0)} ms`;
  console.log(`honest client before it:              ${shown(quiet)}`);
  console.log(`honest client beside it:              ${shown(flooded)}`);
  console.log(`another, at a broker without a flood: ${shown(spared)}`);
  for (const reason of flooded.failed.slice(0, 3)) console.log(`  ${reason}`);
  for (const [kind, count] of Object.entries(report.kinds).toSorted()) console.log(`  ${kind}: ${count}`);
  const growth = Math.round(growthBytes / 1024 / 1024);
  console.log(
    `${report.frames} frames on ${connections} connections in ${seconds.toFixed(0)} s; RSS grew by ${growth} MiB in its second half; the broker ${isAlive ? `lived, and ended with ${exitCode}` : 'died'}`,
  );
  console.log(`honest client's p99 beside it: ${p99Ratio(report).toFixed(1)} times that at a broker without a flood`);
  const faults = faultsOf(report, Number(values['p99-ratio']));
  for (const fault of faults) console.log(`NOT RIGHT: ${fault}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

async function runKillNine(): Promise<void> {
  const folder = mkdtempSync(join(parent, 'millrace-kill-nine-'));
  console.log(`kill -9, ${rounds} rounds, seed ${seed}, data in ${folder}`);
  const isRight = print(await killNine({ ...shared, folder }));
  if (isRight) rmSync(folder, { recursive: true, force: true });
  else console.log(`The data stays in ${folder}`);
}

async function runKills(): Promise<void> {
  const engine = ENGINES.find((each) => each === values.engine);
  if (engine === undefined) throw new Error(`--engine is one of ${ENGINES.join(', ')}, not ${values.engine}`);
  const folder = mkdtempSync(join(parent, 'millrace-kills-'));
  const say = (line: string): void => (values.json ? console.error(line) : console.log(line));
  say(`brokers of a cluster (${engine}) killed, ${rounds} rounds, seed ${seed}, data in ${folder}`);
  const report = await killBrokers({
    engine,
    folder,
    rounds,
    seed,
    stopEvery: Number(values['stop-every']),
    calmMs: Number(values['calm-ms']),
    paceMs: values['pace-ms'] === undefined ? undefined : Number(values['pace-ms']),
    emptyEvery: Number(values['empty-every']),
    pauseEvery: Number(values['pause-every']),
    spareEvery: Number(values['spare-every']),
    keeperEvery: Number(values['keeper-every']),
    rollingRounds: values.rolling ? rounds : 0,
    isEveryReplicaRead: true,
    clients: clientsOrDefault(),
    isCleaning: !values['without-cleaning'],
    program: values.program === undefined ? undefined : [values.program],
    kafkaIds: values['kafka-brokers']?.split(',').map(Number),
    kafka: values.kafka,
    interBrokerProtocol: values['inter-broker-protocol'],
    onRound: (line) => say(line),
  });
  if (values.json) console.log(JSON.stringify(report));
  else console.log(`\n${gapTable(report.gaps)}\n`);
  judge(report, folder, say);
}

async function runLinks(): Promise<void> {
  const faults = values.fault?.map(linkFaultOf) ?? LINK_FAULTS;
  const folder = mkdtempSync(join(parent, 'millrace-links-'));
  const say = (line: string): void => (values.json ? console.error(line) : console.log(line));
  say(`links of a cluster on an ensemble broken, ${rounds} rounds, seed ${seed}, data in ${folder}`);
  const report = await breakLinks({ folder, rounds, seed, faults, clients: clientsOrDefault(), onRound: say });
  if (values.json) console.log(JSON.stringify(report));
  else console.log(`\n${gapTable(report.gaps)}\n`);
  judge(report, folder, say);
}

async function runEvents(): Promise<void> {
  const events = values.event?.map(eventOf) ?? EVENTS;
  const folder = mkdtempSync(join(parent, 'millrace-events-'));
  const say = (line: string): void => (values.json ? console.error(line) : console.log(line));
  say(`a cluster on an ensemble to which things happen, ${rounds} rounds, seed ${seed}, data in ${folder}`);
  const report = await happen({
    folder,
    rounds,
    seed,
    events,
    outageMs: Number(values['outage-ms']),
    clients: clientsOrDefault(),
    onRound: say,
  });
  if (values.json) console.log(JSON.stringify(report));
  else console.log(`\n${gapTable(report.gaps)}\n`);
  judge(report, folder, say);
}

/** Undefined for those that a load has unless told. */
function clientsOrDefault(): ClientName[] | undefined {
  return values.client?.map((name) => {
    const client = CLIENTS.find((each) => each === name);
    if (client === undefined) throw new Error(`--client is one of ${CLIENTS.join(', ')}, not ${name}`);
    return client;
  });
}

function eventOf(name: string): EventName {
  const event = EVENTS.find((each) => each === name);
  if (event === undefined) throw new Error(`--event is one of ${EVENTS.join(', ')}, not ${name}`);
  return event;
}

function linkFaultOf(name: string): LinkFault {
  const fault = LINK_FAULTS.find((each) => each === name);
  if (fault === undefined) throw new Error(`--fault is one of ${LINK_FAULTS.join(', ')}, not ${name}`);
  return fault;
}

async function runCopies(): Promise<void> {
  const engine = COPY_ENGINES.find((each) => each === values.engine);
  if (engine === undefined) throw new Error(`--engine is one of ${COPY_ENGINES.join(', ')}, not ${values.engine}`);
  const folder = mkdtempSync(join(parent, 'millrace-copies-'));
  const say = (line: string): void => (values.json ? console.error(line) : console.log(line));
  say(`copy jobs (${engine}), brokers and instances killed, ${rounds} rounds, seed ${seed}, data in ${folder}`);
  const timeMsMax = values.seconds === undefined ? undefined : Number(values.seconds) * 1000;
  const copiers = values.copier?.map(copierOf);
  const how = { engine, folder, rounds, seed, timeMsMax, isReadByAll: true, onRound: say };
  const report = await killCopiers(copiers === undefined ? how : { ...how, copiers });
  if (values.json) console.log(JSON.stringify(report));
  const transactions = Object.entries(report.transactions).map(([name, count]) => `${count} by ${name}`);
  say(
    `${report.recordsCopied} records copied, in transactions: ${transactions.join(', ')}; ${report.violationCount} violations`,
  );
  for (const [call, count] of Object.entries(report.hangs)) say(`${count} instances hung in ${call}, and were ended`);
  for (const violation of report.violations) say(`VIOLATION: ${violation}`);
  if (report.violationCount === 0) rmSync(folder, { recursive: true, force: true });
  else process.exitCode = 1;
}

function copierOf(name: string): CopierName {
  const copier = COPIERS.find((each) => each === name);
  if (copier === undefined) throw new Error(`--copier is one of ${COPIERS.join(', ')}, not ${name}`);
  return copier;
}

async function runMigration(way: Way): Promise<void> {
  const folder = mkdtempSync(join(parent, 'millrace-migration-'));
  const say = (line: string): void => (values.json ? console.error(line) : console.log(line));
  say(`from Apache Kafka to Millrace and back, ${way}, data in ${folder}`);
  const { kafka, 'inter-broker-protocol': interBrokerProtocol } = values;
  const report = await migrate({ folder, way, kafka, interBrokerProtocol, onStep: say });
  if (values.json) console.log(JSON.stringify(report));
  say(`${report.filesCompared} files of logs compared before and after another program opened them`);
  judge(report, folder, say);
}

/** Says what became of the promises of a load, and keeps the data where one was broken. */
function judge(report: LoadReport, folder: string, say: (line: string) => void): void {
  const { recordsAcknowledged, recordsRead, commitsAcknowledged, failedSends, violations, violationCount } = report;
  for (const [name, about] of Object.entries(report.clients)) say(`${name}: ${about}`);
  for (const { topic, acknowledged, kept, readings } of report.cleaned) {
    say(
      `${topic}: ${acknowledged} records acknowledged, ${kept} kept; ${readings} readings of its partitions compared`,
    );
  }
  const failed = Object.entries(failedSends).map(([name, count]) => `${name} ${count}`);
  say(
    `${recordsAcknowledged} records and ${commitsAcknowledged} commits acknowledged, ${recordsRead} records read, ` +
      `failed sends: ${failed.join(', ')}; sent again: ${sentAgain(report)}; ${violationCount} violations`,
  );
  for (const violation of violations) say(`VIOLATION: ${violation}`);
  if (violationCount === 0) rmSync(folder, { recursive: true, force: true });
  else process.exitCode = 1;
}

async function runPowerLoss(fileSystem: FileSystem): Promise<void> {
  const whyNot = await whyNoLoopDisk(fileSystem);
  if (whyNot !== undefined) {
    console.log(`power loss on ${fileSystem}: skipped, ${whyNot}`);
    return;
  }
  if (values.unsynced) {
    console.log(`power loss on ${fileSystem} without syncs, ${rounds} rounds, seed ${seed}`);
    const losses = await unsyncedLosses(fileSystem, { rounds, seed, parent, onRound });
    const sum = (read: (loss: (typeof losses)[number]) => number): number =>
      losses.reduce((total, loss) => total + read(loss), 0);
    console.log(`records acknowledged  ${sum((loss) => loss.recordsAcknowledged)}`);
    console.log(`of them lost          ${sum((loss) => loss.recordsLost)}`);
    return;
  }
  console.log(`power loss on ${fileSystem}, ${rounds} rounds, seed ${seed}`);
  print(await powerLoss(fileSystem, { ...shared, parent }));
}

/** Whether nothing was wrong. */
function print(report: CrashReport): boolean {
  const { crashes, crashesWhileStarting, recordsAcknowledged, recordsRead, commitsAcknowledged } = report;
  console.log(`crashes               ${crashes}, ${crashesWhileStarting} of them while the broker was starting`);
  console.log(`                      ${report.crashesWhileCompacting} with a compaction under way`);
  console.log(`                      ${report.crashesWhileDeleting} with deleted segments that were still there`);
  console.log(`records acknowledged  ${recordsAcknowledged}; ${recordsRead} read in the end`);
  for (const { topic, acknowledged, kept, logStartOffsets } of report.cleaned) {
    console.log(`  ${topic.padEnd(20)}${acknowledged}; ${kept} kept, ${logStartOffsets} below the log start offsets`);
  }
  console.log(`commits acknowledged  ${commitsAcknowledged}`);
  console.log(`ready after a crash   ${spread(report.recoveryMs)}`);
  console.log(`first record after    ${spread(report.serviceMs)}`);
  console.log(`violations            ${report.violationCount}`);
  for (const violation of report.violations) console.log(`  ${violation}`);
  if (report.lastEnding.code !== 0) console.log(`The last broker ended with ${report.lastEnding.code}`);
  const isRight = report.violationCount === 0 && report.lastEnding.code === 0;
  if (!isRight) process.exitCode = 1;
  return isRight;
}

function spread(ms: readonly number[]): string {
  const sorted = ms.map(Math.round).toSorted((a, b) => a - b);
  return `median ${sorted[Math.floor(sorted.length / 2)]} ms, ${sorted[0]} to ${sorted.at(-1)} ms`;
}
