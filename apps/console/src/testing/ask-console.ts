import { type Answer, CHANGE_HEADER, type Failure, type Input, type Route } from '../api/contract.ts';
import { pathPart } from '../api/names.ts';

/** Who asks: a name and a password, or whoever is on this machine. */
export interface Asker {
  readonly port: number;
  readonly login?: string | undefined;
}

/** Asks a console as its page does. Throws what the console answers where that is no success. */
export async function askConsole<R extends Route>(asker: Asker, route: R, input: Input<R>): Promise<Answer<R>> {
  const [method = 'GET', path = '/'] = route.split(' ');
  const rest: Record<string, unknown> = { ...input };
  const url = path.replace(/:(\w+)/g, (_, name: string) => {
    const value = pathPart(String(rest[name]));
    delete rest[name];
    return value;
  });
  const isGet = method === 'GET';
  const asText = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, String(value)]));
  const query = isGet ? `?${new URLSearchParams(asText)}` : '';
  const response = await fetch(`http://localhost:${asker.port}${url}${query}`, {
    method,
    headers: {
      ...(asker.login === undefined ? {} : { authorization: `Basic ${Buffer.from(asker.login).toString('base64')}` }),
      ...(isGet ? {} : { 'content-type': 'application/json', [CHANGE_HEADER]: '1' }),
    },
    ...(isGet ? {} : { body: JSON.stringify(rest) }),
  });
  const answer: unknown = await response.json();
  // The server's answers are what the contract says they are.
  if (!response.ok) throw Object.assign(new Error((answer as Failure).message), answer, { status: response.status });
  return answer as Answer<R>;
}
