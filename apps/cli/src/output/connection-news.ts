import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ConnectEvent } from '@millrace/network';
import type { Output } from './output.ts';

const CONNECT = 'millrace:connection:connect';

/**
 * Tells that a broker is away, and that it is back: long work goes on trying, and without a word it would seem to hang. Ends when
 * what is returned is disposed.
 */
export function tellConnectionNews(out: Output): Disposable {
  const away = new Set<string>();
  const onConnect = (message: unknown): void => {
    const { host, port, error } = message as ConnectEvent;
    const address = `${host}:${port}`;
    if (error === undefined) {
      if (away.delete(address)) out.note(`Broker ${address} is back`);
    } else if (!away.has(address)) {
      away.add(address);
      out.warn(`broker ${address} cannot be reached; trying again`);
    }
  };
  subscribe(CONNECT, onConnect);
  return { [Symbol.dispose]: () => void unsubscribe(CONNECT, onConnect) };
}
