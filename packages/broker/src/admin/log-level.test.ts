import { silentLogger } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { CONFIG_OPERATION } from '../config/incremental-change.ts';
import type { LogLevelControl } from '../shared/log-level.ts';
import { isRefusal } from '../shared/refusal.ts';
import { TestCluster } from '../testing/test-cluster.ts';
import { ConfigAdmin, RESOURCE_TYPE } from './config-admin.ts';

const { SET, DELETE, APPEND, SUBTRACT } = CONFIG_OPERATION;
const logger1 = { resourceType: RESOURCE_TYPE.BROKER_LOGGER, resourceName: '1' };
const operation = (name: string, value: string | null, configOperation: number = SET) => ({
  name,
  value,
  configOperation,
});

async function adminOf(logLevel: LogLevelControl | undefined): Promise<ConfigAdmin> {
  const cluster = new TestCluster();
  const { image, configs } = await cluster.start(1);
  return new ConfigAdmin({ brokerId: 1, cluster: image, configs, logger: silentLogger, logLevel });
}

function levelsOf(admin: ConfigAdmin, name: string): unknown {
  const levels = admin.logLevels(name);
  return isRefusal(levels) ? levels.errorMessage : Object.fromEntries(levels);
}

describe('the level of log lines', () => {
  it('is told, and changed for every line that follows', async () => {
    const control = { level: 'info' };
    const admin = await adminOf(control);
    expect(levelsOf(admin, '1')).toEqual({ root: 'INFO' });
    const change = [operation('root', 'DEBUG')];
    expect(await admin.change(logger1, change, true)).toEqual({ errorCode: 0, errorMessage: null });
    expect(control.level).toBe('info');
    expect(await admin.change(logger1, change, false)).toEqual({ errorCode: 0, errorMessage: null });
    expect(control.level).toBe('debug');
    expect(levelsOf(admin, '1')).toEqual({ root: 'DEBUG' });
  });

  it('is told as OFF where nothing is written', async () => {
    expect(levelsOf(await adminOf({ level: 'silent' }), '1')).toEqual({ root: 'OFF' });
  });

  // What Apache Kafka 3.9.1 answers.
  it.each([
    [
      operation('root', 'LOUD'),
      40,
      'Cannot set the log level of root to LOUD as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN',
    ],
    [operation('nope.logger', 'DEBUG'), 40, 'Logger nope.logger does not exist!'],
    [operation('nope.logger', null, DELETE), 40, 'Logger nope.logger does not exist!'],
    [operation('root', null, DELETE), 42, 'Removing the log level of the root logger is not allowed'],
    [operation('root', 'DEBUG', APPEND), 42, 'APPEND operation is not allowed for the BROKER_LOGGER resource'],
    [operation('root', 'DEBUG', SUBTRACT), 42, 'SUBTRACT operation is not allowed for the BROKER_LOGGER resource'],
  ])('stays as it is: %o', async (change, errorCode, errorMessage) => {
    const control = { level: 'info' };
    const admin = await adminOf(control);
    expect(await admin.change(logger1, [change], false)).toEqual({ errorCode, errorMessage });
    expect(control.level).toBe('info');
  });

  it('is each broker’s own, and has no older request', async () => {
    const admin = await adminOf({ level: 'info' });
    const messageFor = async (resourceName: string) =>
      (await admin.change({ ...logger1, resourceName }, [operation('root', 'DEBUG')], false)).errorMessage;
    expect(await messageFor('')).toBe('Node id must be an integer, but it is: ');
    expect(await messageFor('x')).toBe('Node id must be an integer, but it is: x');
    expect(await messageFor('77')).toBe('Unexpected node id. Expected 1, but received 77');
    expect(await admin.replace(logger1, [{ name: 'root', value: 'INFO' }], false)).toEqual({
      errorCode: 42,
      errorMessage: 'Unknown resource type 8',
    });
    expect(levelsOf(admin, '')).toBe('Broker id must not be empty');
    expect(levelsOf(admin, 'x')).toBe('Broker id must be an integer, but it is: x');
    expect(levelsOf(admin, '77')).toBe('Unexpected broker id, expected 1 but received 77');
  });

  it('is not there where the logger that was handed over has none', async () => {
    const admin = await adminOf(undefined);
    expect(levelsOf(admin, '1')).toEqual({});
    expect(await admin.change(logger1, [operation('root', 'DEBUG')], false)).toEqual({
      errorCode: 40,
      errorMessage: 'Logger root does not exist!',
    });
  });
});
