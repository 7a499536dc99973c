import { describe, expect, it, vi } from 'vitest';
import { may } from '../needs/index.ts';
import { expectKept, RUN_MS_MAX } from './expect-kept.ts';
import { FILE_SYSTEMS, whyNoLoopDisk } from './loop-disk.ts';
import { powerLoss, unsyncedLosses } from './power-loss.ts';

// Each round makes, mounts and repairs a file system, and starts a broker.
vi.setConfig({ testTimeout: RUN_MS_MAX });

for (const fileSystem of FILE_SYSTEMS) {
  const isPossible = may(await whyNoLoopDisk(fileSystem), import.meta.url);
  describe.skipIf(!isPossible)(`power loss on ${fileSystem}`, () => {
    it('takes no acknowledged record and no commit', async () => {
      const report = await powerLoss(fileSystem, { rounds: 2, loadMsMax: 1000, partitions: 4 });
      expectKept(report);
      expect(report.recordsRead).toBe(report.recordsAcknowledged);
      expect(report.recordsAcknowledged).toBeGreaterThan(100);
      expect(report.lastEnding).toMatchObject({ code: 0, signal: null });
    });

    it('takes records from a broker that leaves syncing to the system, so that these cuts are some', async () => {
      const [loss] = await unsyncedLosses(fileSystem, { rounds: 1, seed: 1, loadMsMax: 1000 });
      expect(loss?.recordsLost).toBeGreaterThan(0);
    });
  });
}
