import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { failure, usageError } from './errors.ts';
import { explainError } from './explain-error.ts';

function known(code: string, message: string, more: object = {}): Error {
  return Object.assign(new Error(message), { code, retriable: false, ...more });
}

describe('an error in words', () => {
  it('is a sentence with what to do', () => {
    expect(explainError(usageError('Say which', 'like this'))).toEqual({
      code: 'CLI_USAGE',
      messages: ['Say which.'],
      hint: 'like this',
      exitCode: 2,
    });
  });

  it('leaves paths, settings and options as they are spelled', () => {
    for (const message of [
      'data/x.log is damaged',
      './x is damaged',
      'lingerMs must be 1',
      'log.dirs is set twice',
      '--topic is missing',
    ]) {
      expect(explainError(known('CLI_FAILED', message)).messages).toEqual([`${message}.`]);
    }
  });

  it('leaves what the command line says itself as it is: it may begin with the name of a file', () => {
    expect(explainError(failure('afile is no file of a log')).messages).toEqual(['afile is no file of a log.']);
    expect(explainError(known('X', 'the broker is away')).messages).toEqual(['The broker is away.']);
  });

  it.each([
    ['CLIENT_NO_BROKER_AVAILABLE', 'the broker hung up during the first exchange. Does this port want TLS or SASL?'],
    ['CLIENT_NO_BROKER_AVAILABLE', 'Cannot connect to a:1: self-signed certificate in certificate chain'],
    ['NETWORK_CONNECTION_LOST', 'Metadata v12: the connection was closed (it was lost. Does this port want SASL?)'],
    ['CLIENT_TIMED_OUT', 'No broker answered: Cannot connect to a:1: the broker does not speak TLS on this port'],
  ])('says how to log in where a port wants that (%s: %s)', (code, message) => {
    expect(explainError(known(code, message)).hint).toContain('security.protocol');
  });

  it('gives the hint of what failed where an item alone did, and says once what holds for all', () => {
    const code = 'KAFKA_SECURITY_DISABLED';
    const one = (item: string): [string, Error] => [item, known(code, `create rule ${item}: disabled`)];
    const { messages, hint } = explainError(known('ADMIN_X', 'failed', { failures: new Map([one('a'), one('b')]) }));
    expect(messages).toEqual(['Create rule a: disabled.', 'And so for 1 more.']);
    expect(hint).toContain('millrace start --secure');
  });

  it('says that nobody listens, once', () => {
    const message =
      'No broker can be reached. Cannot connect to a:1: nothing listens there. Is the broker up, and is this the port of a listener? (ECONNREFUSED)';
    const { messages, hint, exitCode } = explainError(known('CLIENT_NO_BROKER_AVAILABLE', message));
    expect(messages).toEqual(['Cannot connect to a:1: nothing listens there.']);
    expect(hint).toContain('millrace start');
    expect(exitCode).toBe(1);
  });

  it('lists what failed, but not without end', () => {
    const failures = new Map(Array.from({ length: 25 }, (_, index) => [`t${index}`, known('X', `t${index} failed`)]));
    const { messages } = explainError(known('X', 'all failed', { failures }));
    expect(messages.slice(0, 2)).toEqual(['t0 failed.', 't1 failed.']);
    expect(messages[messages.length - 1]).toBe('And 5 more like these.');
  });

  it('says once what is denied for all items alike', () => {
    const code = 'KAFKA_CLUSTER_AUTHORIZATION_FAILED';
    const failures = new Map(['a', 'b', 'c'].map((item) => [item, known(code, `create rule ${item}: denied`)]));
    const { messages, hint } = explainError(known(code, 'all failed', { failures }));
    expect(messages).toEqual(['Create rule a: denied.', 'And so for 2 more.']);
    expect(hint).toContain('millrace acls add');
  });

  it('adds why it took too long', () => {
    const timedOut = known('CLIENT_TIMED_OUT', 'Listing took too long', { cause: new Error('no leader') });
    expect(explainError(timedOut).messages).toEqual(['Listing took too long: no leader.']);
  });

  it('owns up to what should not have happened', () => {
    expect(explainError(new TypeError('x is undefined'))).toMatchObject({
      code: 'CLI_UNEXPECTED',
      messages: ['Something went wrong that should not: x is undefined'],
      exitCode: 1,
    });
  });

  it('of the system about a file names the file, what is wrong with it, and what to do', async () => {
    const error = await readFile(tmpdir()).catch((cause: unknown) => cause);
    expect(explainError(error)).toMatchObject({ code: 'CLI_SYSTEM_EISDIR', exitCode: 1 });
    const readOnly = { code: 'EROFS', syscall: 'open', path: '/backup/.lock' };
    expect(explainError(Object.assign(new Error('EROFS: read-only file system'), readOnly))).toEqual({
      code: 'CLI_SYSTEM_EROFS',
      messages: ['Cannot open /backup/.lock: it is on a file system that is mounted read-only.'],
      hint: expect.stringContaining('name the copy'),
      exitCode: 1,
    });
  });

  it.each([
    [
      "Cannot create topics: topics[0].topic must be the name of a topic, text of 1 to 249 characters, not 'a...' (a string)",
      "Cannot create topics: 'a...' is given, and it must be the name of a topic, text of 1 to 249 characters.",
    ],
    [
      'Cannot list transactions: openForMs must be a whole number of at least 0, not 8e+24: it is beyond 2^53 - 1',
      'Cannot list transactions: 8e+24 is given, and it must be a whole number of at least 0.',
    ],
    ['Cannot do it: no rule of ours', 'Cannot do it: no rule of ours.'],
  ])('names no place in the call of an SDK: %s', (message, told) => {
    const error = Object.assign(new Error(message), { code: 'CLIENT_INVALID_ARGUMENT', retriable: false });
    expect(explainError(error)).toMatchObject({ messages: [told], exitCode: 2 });
  });
});
