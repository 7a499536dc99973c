/** A short form of `pnpm faults hostile`: every array of every API that is served, as large as 1 MiB allows, and clients that stall. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ErrorCode, FindCoordinator, Metadata } from '@millrace/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Abuse, Place } from './hostile/abuse.ts';
import { KNOWN_NAME } from './hostile/oversized-requests.ts';
import { oversizedAbuses, startBroker } from './hostile/run.ts';
import { stubbornClients } from './hostile/stubborn-clients.ts';
import { RawClient } from './raw-client.ts';
import { canMeasureProcesses, type SpawnedBroker, usageOf } from './spawned-broker.ts';

const MIB = 1024 * 1024;
/** A broker that believes a request of 1 MiB takes gigabytes; one that does not, stays below this with all garbage it makes. */
const GROWTH_BYTES_MAX = 768 * MIB;
/** What takes hundreds of megabytes is for the command. */
const QUICK = stubbornClients.filter(({ mebibytes }) => mebibytes <= 2);

let folder: string;
let broker: SpawnedBroker;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-hostile-requests-'));
  broker = await startBroker(folder);
});
afterAll(async () => {
  const { code } = await broker.stop();
  rmSync(folder, { recursive: true, force: true });
  expect(code).toBe(0);
});

async function stays(abuse: Abuse): Promise<void> {
  if (canMeasureProcesses) writeFileSync(`/proc/${broker.pid}/clear_refs`, '5');
  const before = canMeasureProcesses ? usageOf(broker.pid).rssBytes : 0;
  {
    using place = new Place(broker);
    expect(await abuse.run(place), abuse.name).not.toContain('no answer');
  }
  expect(broker.isRunning, broker.output.slice(-2000)).toBe(true);
  if (canMeasureProcesses) expect(usageOf(broker.pid).rssPeakBytes - before, abuse.name).toBeLessThan(GROWTH_BYTES_MAX);
}

async function othersAreServed(): Promise<void> {
  const client = await RawClient.connect(broker.port);
  const { topics } = await client.ask(Metadata, 9, { topics: [{ name: 'somebody-else' }] });
  expect(topics[0]?.name).toBe('somebody-else');
  const coordinator = await client.ask(FindCoordinator, 1, { key: KNOWN_NAME, keyType: 0 });
  expect(coordinator.errorCode).toBe(ErrorCode.NONE);
  client.close();
}

describe('a hostile client', () => {
  it.each(QUICK.map((abuse) => [abuse.name, abuse] as const))('does no harm: %s', async (_name, abuse) => {
    await stays(abuse);
    await othersAreServed();
  });

  it('does no harm with any array of any request of 1 MiB', async () => {
    const abuses = await oversizedAbuses(broker, ['1 MiB']);
    expect(abuses.length).toBeGreaterThan(200);
    for (const abuse of abuses) await stays(abuse);
    await othersAreServed();
  }, 240_000);
});
