import { expect, it } from 'vitest';
import { ZooKeeperScene } from '../../apps/broker/src/testing/zookeeper-scene.ts';
import { changeRolling } from './rolling-change.ts';
import type { RollingWorld, Settings } from './rolling-cluster.ts';

/** Brokers in this process, on a store in its memory. */
async function openInside(): Promise<RollingWorld> {
  const scene = await ZooKeeperScene.open();
  return {
    storeSettings: {},
    startBroker: (folder: string, settings: Settings) => scene.start(folder, { ...settings, 'log.dirs': folder }),
    stop: () => scene.close(),
  };
}

it('A cluster is secured, and all its secrets changed, without a send that fails, and nobody gets in with what was good before', async () => {
  const told: string[] = [];
  const { sent, failed, lost, letIn, unclear } = await changeRolling((line) => void told.push(line), openInside, 0);
  expect({ failed, lost, letIn, unclear }).toEqual({ failed: [], lost: 0, letIn: [], unclear: [] });
  expect(sent).toBeGreaterThan(20);
  expect(told.filter((line) => line.startsWith('refused'))).toHaveLength(4);
}, 120_000);
