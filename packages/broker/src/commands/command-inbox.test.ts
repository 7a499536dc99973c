import { type AnyApi, ErrorCode, LeaderAndIsr, StopReplica, UpdateMetadata } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestBroker } from '../testing/test-broker.ts';

let test: TestBroker;
let brokerEpoch: number;

beforeEach(async () => {
  test = await TestBroker.start({ 'broker.id': '1' });
  await test.createTopic('t', 1);
  brokerEpoch = (await test.store.exists('/brokers/ids/1'))!.czxid;
});

afterEach(() => test.stop());

const EMPTY: Readonly<Record<string, object>> = {
  LeaderAndIsr: { topicStates: [], liveLeaders: [] },
  UpdateMetadata: { topicStates: [], liveBrokers: [] },
  StopReplica: { topicStates: [] },
};

/** Commands in the highest version, with nothing to do. */
async function errorOf(api: AnyApi, header: { controllerEpoch: number; brokerEpoch: number }): Promise<number> {
  const body = { controllerId: 9, ...header, ...EMPTY[api.name] };
  const answer = await test.connect().ask(api as never, api.request.maxVersion, body as never);
  return (answer as { errorCode: number }).errorCode;
}

describe.each([LeaderAndIsr, StopReplica, UpdateMetadata])('$name over the wire', (api) => {
  it('is refused when it was meant for the broker before it registered anew', async () => {
    expect(await errorOf(api, { controllerEpoch: 1, brokerEpoch: brokerEpoch - 1 })).toBe(ErrorCode.STALE_BROKER_EPOCH);
  });

  it.each([
    ['the same', () => brokerEpoch],
    ['a higher one, which the broker may not have heard of', () => brokerEpoch + 1],
    ['none', () => -1],
  ])('is taken with a broker epoch that is %s', async (_, epoch) => {
    expect(await errorOf(api, { controllerEpoch: 1, brokerEpoch: epoch() })).toBe(ErrorCode.NONE);
  });

  it('is refused of a controller that was replaced, whichever command told of the newer one', async () => {
    for (const other of [LeaderAndIsr, StopReplica, UpdateMetadata]) {
      const newest = 10 + other.key;
      expect(await errorOf(other, { controllerEpoch: newest, brokerEpoch })).toBe(ErrorCode.NONE);
      expect(await errorOf(api, { controllerEpoch: newest - 1, brokerEpoch })).toBe(ErrorCode.STALE_CONTROLLER_EPOCH);
      expect(await errorOf(api, { controllerEpoch: newest, brokerEpoch })).toBe(ErrorCode.NONE);
    }
  });
});

describe('the controller of this broker', () => {
  it('is fenced by a newer one that commanded over the wire', async () => {
    expect(await errorOf(UpdateMetadata, { controllerEpoch: 50, brokerEpoch })).toBe(ErrorCode.NONE);
    expect(test.broker.services.cluster.controllerId).toBe(9);
    const { commands } = test.broker.services;
    const own = { controllerId: 1, controllerEpoch: 1, brokerEpoch, partitions: [], liveLeaders: [] };
    expect(await commands.leaderAndIsr(own)).toMatchObject({ errorCode: ErrorCode.STALE_CONTROLLER_EPOCH });
  });
});
