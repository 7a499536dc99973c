import { expect, it } from 'vitest';
import type { LiveBroker } from '../cluster/broker-channel.ts';
import { ClusterImage } from '../cluster/cluster-image.ts';
import type { PeerAddress, PeerLane, Peers } from '../cluster/peers.ts';
import { BrokerLanes } from './broker-lanes.ts';

const LISTENER = 'PLAINTEXT';

function brokers(...ids: readonly number[]): LiveBroker[] {
  return ids.map((id) => ({
    id,
    rack: null,
    endpoints: [{ listener: LISTENER, host: `broker-${id}`, port: 9092, securityProtocol: 'PLAINTEXT' }],
  }));
}

it('give up the way to a broker that has left, so that what it was asked fails at once, and find one that is back', () => {
  const closed: number[] = [];
  const peers: Peers = {
    lane: ({ brokerId }: PeerAddress) => ({ close: () => closed.push(brokerId) }) as unknown as PeerLane,
  };
  const cluster = new ClusterImage();
  const alive = (...ids: readonly number[]): void =>
    void cluster.apply({
      controllerId: 1,
      controllerEpoch: 1,
      brokerEpoch: 1,
      liveBrokers: brokers(...ids),
      partitions: [],
    });
  alive(1, 2, 3);
  const lanes = new BrokerLanes({ brokerId: 1, cluster, peers, listener: LISTENER });
  const [second, third] = [lanes.to(2), lanes.to(3)];
  alive(1, 2);
  expect(closed).toEqual([3]);
  expect(lanes.to(2)).toBe(second);
  expect(lanes.to(3)).toBeUndefined();
  alive(1, 2, 3);
  expect(lanes.to(3)).not.toBe(third);
  lanes.close();
  alive(1);
  expect(closed).toEqual([3, 2, 3]);
});
