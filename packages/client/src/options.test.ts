import { expect, it } from 'vitest';
import { clientOptionsOf, clientSettings } from './options.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n';
const settingsOf = (options: object) => clientSettings({ bootstrapServers: 'localhost:9092', ...options });

it('fills in the defaults', () => {
  expect(settingsOf({}).retry.timeoutMs).toBe(60_000);
});

it.each([
  [{ bootstrapServers: undefined }, 'bootstrapServers must be "host:port", or an array of such, not undefined'],
  [{ bootstrapServers: 9092 }, 'bootstrapServers must be "host:port", or an array of such, not 9092'],
  [{ bootstrapServers: [9092] }, 'bootstrapServers must be "host:port", or an array of such, not an array of 1'],
  [{ brokers: ['localhost:9092'] }, 'brokers is no option of a client: it is called bootstrapServers'],
  [{ clientID: 'x' }, 'clientID is no option of a client; did you mean clientId?'],
  [{ clientId: 5 }, 'clientId must be text that is not empty, not 5'],
  [{ requestTimeoutMs: '5' }, "(milliseconds), not '5' (a string): give the number 5"],
  [{ requestTimeoutMs: 1e10 }, 'requestTimeoutMs must be a whole number from 0 to 2147483647'],
  [{ logger: { info() {} } }, 'logger must be an object with debug(), info(), warn(), error()'],
  [
    { tls: 'yes' },
    "tls must be true, false, the options of node:tls, or a function that gives them, not 'yes' (a string)",
  ],
  [
    { tls: { ca: '/path/ca.pem' } },
    "tls.ca must be the content of a PEM file (text with -----BEGIN ...), not '/path/ca.pem' (a string): give readFileSync(path)",
  ],
  [{ tls: { ca: [PEM, 'junk'] } }, "not 'junk' (a string)"],
  [{ tls: { ca: Buffer.from('junk') } }, 'not 4 bytes: give readFileSync(path)'],
  [{ tls: { ca: 5 } }, 'tls.ca must be the content of a PEM file (text with -----BEGIN ...), not 5'],
  [{ tls: { cert: 'cert.pem' } }, 'tls.cert must be the content of a PEM file'],
  [
    { tls: { key: 'hush' } },
    'tls.key must be the content of a PEM file (text with -----BEGIN ...), not what has no such block: give',
  ],
  [
    { clientId: 'c\ud800' },
    "clientId must be text that is not empty, not 'c\\ud800' (a string): it holds half of a character (a lone surrogate), which no encoding carries",
  ],
  [{ sasl: { mechanism: 'PLAIN', username: 'u', password: 'p\ud800' } }, 'sasl.password must be text or a function'],
  [{ sasl: { mechanism: 'plain', username: 'u', password: 'p' } }, "did you mean 'PLAIN'?"],
  [{ sasl: { mechanism: 'GSSAPI' } }, 'sasl.mechanism must be PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, or'],
  [{ sasl: { mechanism: 'PLAIN', username: 'u' } }, 'sasl.password must be text or a function that gives it'],
  [{ sasl: { mechanism: 'PLAIN', user: 'u', password: 'p' } }, 'sasl.user is no field of sasl'],
  [{ sasl: { mechanism: 'OAUTHBEARER', oauthBearerProvider() {} } }, 'it is called token'],
  [{ sasl: null }, 'sasl must be an object, not null'],
])('refuses %o', (options, message) => {
  expect(() => settingsOf(options)).toThrow(message);
  expect(() => settingsOf(options)).toThrow(expect.objectContaining({ code: 'CLIENT_INVALID_OPTION' }));
});

it('takes a mechanism of the caller', () => {
  expect(
    settingsOf({ sasl: { mechanism: 'AWS_MSK_IAM', exchange: () => ({ respond: () => undefined }) } }),
  ).toBeDefined();
});

it("gives SDKs the part of their options that is the client's", () => {
  const options = { bootstrapServers: 'a:1', clientId: 'c', requestTimeoutMs: undefined, acks: 1 };
  expect(clientOptionsOf(options)).toEqual({ bootstrapServers: 'a:1', clientId: 'c' });
});

it.each([
  { ca: PEM },
  { ca: Buffer.from(`before it\n${PEM}`) },
  { ca: [PEM, new TextEncoder().encode(PEM)] },
  { key: { pem: PEM, passphrase: 'hush' }, cert: PEM },
  { pfx: Buffer.from('junk') },
  {},
])('takes certificates and keys by their content: %o', (tls) => {
  expect(settingsOf({ tls }).connection.tls).toBe(tls);
});
