import {
  AlterPartition,
  type AlterPartitionRequest,
  type AlterPartitionResponseInput,
  ErrorCode,
} from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { ClusterImage } from '../cluster/cluster-image.ts';
import type { PeerAddress, PeerLane, Peers } from '../cluster/peers.ts';
import { ControllerLink } from './controller-link.ts';

/** Other brokers, which answer what the test says. */
class ScriptedPeers implements Peers {
  readonly opened: string[] = [];
  closed = 0;
  answer: () => unknown = () => ({ errorCode: 0, topics: [] });

  lane({ brokerId, host, port }: PeerAddress, clientId: string): PeerLane {
    this.opened.push(`${clientId} -> ${brokerId} at ${host}:${port}`);
    return {
      send: async (_api, _version, body) => {
        if (typeof body === 'function') (body as (version: number) => unknown)(2);
        return this.answer() as never;
      },
      reset: () => {},
      close: () => {
        this.closed += 1;
      },
    };
  }
}

function start() {
  const peers = new ScriptedPeers();
  const cluster = new ClusterImage();
  const controllerIs = (controllerId: number, port = 9092): void => {
    const liveBrokers = [1, 2, 3].map((id) => ({
      id,
      rack: null,
      endpoints: [
        { listener: 'CLIENTS', securityProtocol: 'SSL', host: 'outside', port: 1 },
        { listener: 'BROKERS', securityProtocol: 'PLAINTEXT', host: `host-${id}`, port },
      ],
    }));
    cluster.apply({ controllerId, controllerEpoch: 1, brokerEpoch: -1, liveBrokers, partitions: [] });
  };
  const link = new ControllerLink({ brokerId: 1, cluster, peers, listener: 'BROKERS', timeoutMs: 1000 });
  const own: { request: AlterPartitionRequest; version: number }[] = [];
  let ownAnswer: AlterPartitionResponseInput = { errorCode: 0, topics: [] };
  return {
    peers,
    controllerIs,
    link,
    own,
    answerAs: (answer: AlterPartitionResponseInput) => {
      ownAnswer = answer;
    },
    ask: () =>
      link.ask(
        AlterPartition,
        (version) => ({ brokerId: 1, brokerEpoch: version, topics: [] }),
        async (request, version) => {
          own.push({ request, version });
          return ownAnswer;
        },
      ),
  };
}

describe('the way to the controller', () => {
  it('does not exist before anybody has said who that is', async () => {
    await expect(start().ask()).rejects.toMatchObject({ code: 'NO_CONTROLLER', retriable: true });
  });

  it('leads past the network to the broker’s own, with the same requests and answers', async () => {
    const { controllerIs, ask, own, peers } = start();
    controllerIs(1);
    expect(await ask()).toEqual({ version: 3, response: { throttleTimeMs: 0, errorCode: 0, topics: [] } });
    expect(own).toEqual([{ version: 3, request: { brokerId: 1, brokerEpoch: 3, topics: [] } }]);
    expect(peers.opened).toEqual([]);
  });

  it('is kept for as long as it is the same one, and made anew for another or another address', async () => {
    const { controllerIs, ask, peers } = start();
    controllerIs(2);
    expect(await ask()).toMatchObject({ version: 2 });
    await ask();
    controllerIs(3);
    await ask();
    controllerIs(3, 9999);
    await ask();
    expect(peers.opened).toEqual(['1 -> 2 at host-2:9092', '1 -> 3 at host-3:9092', '1 -> 3 at host-3:9999']);
    expect(peers.closed).toBe(2);
  });

  it.each([
    ['says that it is none', () => ({ errorCode: ErrorCode.NOT_CONTROLLER, topics: [] })],
    [
      'does not answer',
      () => {
        throw new Error('silence');
      },
    ],
  ])('is given up when it %s, so that the next attempt connects anew', async (_, answer) => {
    const { controllerIs, ask, peers } = start();
    controllerIs(2);
    peers.answer = answer;
    await expect(ask()).rejects.toThrow();
    expect(peers.closed).toBe(1);
    peers.answer = () => ({ errorCode: 0, topics: [] });
    await ask();
    expect(peers.opened.length).toBe(2);
  });

  it('says that the own one is none any more, as another would', async () => {
    const { controllerIs, ask, answerAs } = start();
    controllerIs(1);
    answerAs({ errorCode: ErrorCode.NOT_CONTROLLER, topics: [] });
    await expect(ask()).rejects.toMatchObject({ code: 'NO_CONTROLLER' });
  });

  it('is closed for good when the broker stops', async () => {
    const { controllerIs, ask, link, peers } = start();
    controllerIs(2);
    await ask();
    link.close();
    await expect(ask()).rejects.toMatchObject({ code: 'NO_CONTROLLER' });
    expect(peers.closed).toBe(1);
  });
});
