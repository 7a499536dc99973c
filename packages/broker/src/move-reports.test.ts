import { defaultLogConfig, LogManager } from '@millrace/log';
import { ManualClock, MemoryDisk, seededRandom } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { exposeMoves } from './broker-gauges.ts';
import { parseBrokerConfig } from './config/broker-config.ts';
import { MoveReports } from './move-reports.ts';
import { silentLogger } from './shared/logger.ts';
import { noMetrics } from './shared/metrics.ts';
import { batchOf } from './testing/test-broker.ts';

const DIRS = ['/one', '/two'];

describe('logs on their way into another log folder', () => {
  it('are told of in the log and in metrics', async () => {
    const lines: string[] = [];
    const note = (_: unknown, message?: string): void => {
      lines.push(message ?? '');
    };
    const clock = new ManualClock();
    const reports = new MoveReports(clock, { ...silentLogger, info: note, error: note });
    const gauges = new Map<string, () => unknown>();
    const { config } = parseBrokerConfig({ 'log.dirs': DIRS.join(), listeners: 'PLAINTEXT://h:9092' });
    const logs = new LogManager({
      disk: new MemoryDisk(),
      clock,
      random: seededRandom(1),
      logDirs: config.logDirs,
      brokerId: 1,
      clusterId: 'c',
      configOf: () => defaultLogConfig,
      moveBytesPerSecondMax: 1,
      onMove: (news) => reports.told(news),
    });
    exposeMoves({ ...noMetrics, gauge: (name, _, read) => gauges.set(name, read) }, logs);
    const read = (): unknown[] =>
      ['kafka_server_replicaalterlogdirsmanager_maxlag', 'millrace_log_moves', 'millrace_log_moves_bytes'].map((name) =>
        gauges.get(name)?.(),
      );
    await logs.open();
    const log = await logs.getOrCreate('orders', 0, { isNew: true });
    await log.append(batchOf(['a', 'b']), { origin: 'client', leaderEpoch: 0 });
    const [from, to] = log.folder.startsWith('/one') ? DIRS : DIRS.toReversed();
    expect(read()).toEqual([0, 0, 0]);
    await logs.move('orders', 0, to!);
    expect(read()).toEqual([2, 1, 0]);
    while (lines.length === 0) await clock.advanceAsync(1);
    const back = logs.move('orders', 0, from!);
    await clock.advanceAsync(2000);
    await back;
    expect(read()).toEqual([0, 0, 0]);
    expect(gauges.get('kafka_server_replicaalterlogdirsmanager_failedpartitionscount')?.()).toBe(0);
    expect(lines).toEqual([
      `orders-0 is being copied from ${from} to ${to}`,
      `orders-0 stays in ${from}: its copy was left off`,
    ]);
    await logs.close();
  });
});
