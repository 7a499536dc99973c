import { type Answer, CHANGE_HEADER, type Failure, type Input, type Route } from '../../../src/api/contract.ts';
import { pathPart } from '../../../src/api/names.ts';

/** The server's refusal, in its words. */
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;

  constructor({ code, message }: Failure, status: number) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** Whether the server says that what was asked for is not there. */
export function isGone(error: Error | null): error is ApiError {
  return error instanceof ApiError && error.status === 404;
}

/** Whether the server has understood and said no: the same question gets the same answer. */
export function isRefusal(error: Error): boolean {
  return error instanceof ApiError && error.status >= 400 && error.status < 500;
}

/** The address of a route: names in the path are taken out of the input, the rest stays. */
export function addressOf(path: string, input: object): { url: string; rest: Record<string, unknown> } {
  const rest: Record<string, unknown> = { ...input };
  const url = path.replace(/:(\w+)/g, (_, name: string) => {
    const value = pathPart(String(rest[name]));
    delete rest[name];
    return value;
  });
  return { url, rest };
}

/** What is defined, as a query. */
export function queryOf(values: object): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values))
    if (value !== undefined && value !== '') query.set(name, String(value));
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

/** Asks the server; the types of what goes in and comes out are the server's own. */
export async function call<R extends Route>(route: R, input: Input<R>, signal?: AbortSignal): Promise<Answer<R>> {
  const [method = 'GET', path = '/'] = route.split(' ');
  const { url, rest } = addressOf(path, input);
  const isGet = method === 'GET';
  const response = await fetch(isGet ? url + queryOf(rest) : url, {
    method,
    ...(signal === undefined ? {} : { signal }),
    ...(isGet
      ? {}
      : { headers: { 'content-type': 'application/json', [CHANGE_HEADER]: '1' }, body: JSON.stringify(rest) }),
  });
  const answer: unknown = await response.json().catch(() => ({ code: 'CONSOLE_FAILED', message: response.statusText }));
  // The server's answers are what the contract says they are.
  if (!response.ok) {
    const failure = answer as Failure;
    // The session is over: one comes back to where one is.
    if (failure.loginAt !== undefined) {
      location.assign(`${failure.loginAt}${queryOf({ to: location.pathname + location.search })}`);
    }
    throw new ApiError(failure, response.status);
  }
  return answer as Answer<R>;
}

/** Ends the session, and leaves the provider where it wants to be left. */
export async function logOut(): Promise<void> {
  const response = await fetch('/api/logout', { method: 'POST', headers: { [CHANGE_HEADER]: '1' } });
  const { to = '/' } = (await response.json()) as { to?: string };
  location.assign(to);
}
