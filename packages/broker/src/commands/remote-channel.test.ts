import { ManualClock } from '@millrace/ports';
import { type Api, UpdateMetadata } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { UpdateMetadataCommand } from '../cluster/broker-channel.ts';
import { interBrokerVersions } from '../cluster/inter-broker-versions.ts';
import type { PeerLane } from '../cluster/peers.ts';
import { silentLogger } from '../shared/logger.ts';
import { QUEUED_COMMANDS_MAX, RemoteChannel } from './remote-channel.ts';

/** A lane on which the test answers. */
class ScriptedLine implements PeerLane {
  readonly sent: { api: string; version: number | 'auto'; body: { controllerEpoch?: number } }[] = [];
  readonly #open: { resolve: (body: never) => void; reject: (error: unknown) => void }[] = [];
  isClosed = false;

  send<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number | 'auto',
    body: ReqInput | ((version: number) => ReqInput),
  ): Promise<Res> {
    this.sent.push({ api: api.name, version, body: body as object });
    return new Promise((resolve, reject) => this.#open.push({ resolve, reject }));
  }

  async answer(body: unknown = { errorCode: 0 }): Promise<void> {
    this.#open.shift()?.resolve(body as never);
    await settle();
  }

  async fail(): Promise<void> {
    this.#open.shift()?.reject(new Error('the connection was lost'));
    await settle();
  }

  get inFlight(): number {
    return this.#open.length;
  }

  reset(): void {}

  close(): void {
    this.isClosed = true;
    for (const { reject } of this.#open.splice(0)) reject(new Error('closed'));
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

function start() {
  const clock = new ManualClock();
  const lane = new ScriptedLine();
  let overflows = 0;
  const channel = new RemoteChannel({
    brokerId: 2,
    lane,
    clock,
    logger: silentLogger,
    versions: interBrokerVersions('3.9')!,
    listener: 'PLAINTEXT',
    timeoutMs: 30_000,
    onOverflow: () => {
      overflows += 1;
    },
  });
  return { clock, lane, channel, overflows: () => overflows };
}

const command = (controllerEpoch: number): UpdateMetadataCommand => ({
  controllerId: 1,
  controllerEpoch,
  brokerEpoch: 7,
  liveBrokers: [],
  partitions: [],
});

describe('the channel to another broker', () => {
  it('has one command in flight, and sends the next when it is answered', async () => {
    const { lane, channel } = start();
    const first = channel.updateMetadata(command(1));
    const second = channel.updateMetadata(command(2));
    await settle();
    expect(lane.sent).toMatchObject([
      { api: UpdateMetadata.name, version: 8, body: { controllerEpoch: 1, brokerEpoch: 7 } },
    ]);
    await lane.answer();
    expect(await first).toEqual({ errorCode: 0, partitions: [] });
    expect(lane.sent.map(({ body }) => body.controllerEpoch)).toEqual([1, 2]);
    await lane.answer({ errorCode: 11 });
    expect(await second).toEqual({ errorCode: 11, partitions: [] });
    expect(channel.length).toBe(0);
  });

  it('sends a command again every 100 ms until it is answered, before those that came after it', async () => {
    const { clock, lane, channel } = start();
    const first = channel.stopReplica({ controllerId: 1, controllerEpoch: 1, brokerEpoch: 7, partitions: [] });
    void channel.updateMetadata(command(2));
    await settle();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await lane.fail();
      expect(lane.inFlight).toBe(0);
      clock.advance(99);
      await settle();
      expect(lane.inFlight).toBe(0);
      clock.advance(1);
      await settle();
      expect(lane.inFlight).toBe(1);
    }
    await lane.answer({ errorCode: 0, partitionErrors: [] });
    expect(await first).toEqual({ errorCode: 0, partitions: [] });
    expect(lane.sent.map(({ api }) => api)).toEqual([
      'StopReplica',
      'StopReplica',
      'StopReplica',
      'StopReplica',
      'UpdateMetadata',
    ]);
  });

  it('ends when the broker goes: nothing more is sent, and nobody waits for ever', async () => {
    const { clock, lane, channel } = start();
    const outcomes = [channel.updateMetadata(command(1)), channel.updateMetadata(command(2))];
    await settle();
    channel.close();
    expect(await Promise.all(outcomes)).toEqual([undefined, undefined]);
    clock.advance(1000);
    await settle();
    expect([lane.sent.length, lane.isClosed]).toEqual([1, true]);
    expect(await channel.updateMetadata(command(3))).toBeUndefined();
  });

  it('ends in the pause before another attempt too', async () => {
    const { clock, lane, channel } = start();
    const outcome = channel.updateMetadata(command(1));
    await settle();
    await lane.fail();
    channel.close();
    expect(await outcome).toBeUndefined();
    clock.advance(1000);
    await settle();
    expect(lane.sent.length).toBe(1);
  });

  it('drops what waits when it is too much, and says that the broker must be told all anew', async () => {
    const { lane, channel, overflows } = start();
    const outcomes = Array.from({ length: QUEUED_COMMANDS_MAX }, (_, epoch) => channel.updateMetadata(command(epoch)));
    expect(overflows()).toBe(0);
    const last = channel.updateMetadata(command(5000));
    expect([overflows(), channel.length]).toEqual([1, 1]);
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set([undefined]));
    await lane.answer();
    expect(lane.sent.at(-1)?.body.controllerEpoch).toBe(5000);
    await lane.answer();
    expect(await last).toEqual({ errorCode: 0, partitions: [] });
  });
});
