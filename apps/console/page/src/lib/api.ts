import { type Answer, CHANGE_HEADER, type Failure, type Input, type Route } from '../../../src/api/contract.ts';
import { pathPart } from '../../../src/api/names.ts';
import { ApiError, unreachable } from './api-error.ts';

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
  const response = await reach(isGet ? url + queryOf(rest) : url, {
    method,
    ...(signal === undefined ? {} : { signal }),
    ...(isGet
      ? {}
      : { headers: { 'content-type': 'application/json', [CHANGE_HEADER]: '1' }, body: JSON.stringify(rest) }),
  });
  if (!response.ok) throw await refusalOf(response);
  // The server's answers are what the contract says they are.
  return (await response.json()) as Answer<R>;
}

/** What is at an address, as text that stays bytes: nothing of the page has to read it. */
export async function textAt(address: string): Promise<Blob> {
  const response = await reach(address, {});
  if (!response.ok) throw await refusalOf(response);
  const bytes = await response.blob();
  return bytes.slice(0, bytes.size, 'text/plain');
}

/** Why the server gives no stream at an address: a browser does not tell. */
export async function whyNot(address: string): Promise<ApiError> {
  try {
    const response = await reach(address, {});
    if (!response.ok) return await refusalOf(response);
    await response.body?.cancel();
  } catch {
    // Nothing better is known.
  }
  return unreachable();
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    // Who does not wait any more is told nothing.
    if (init.signal?.aborted === true) throw error;
    throw unreachable();
  }
}

async function refusalOf(response: Response): Promise<ApiError> {
  const failure = (await response
    .json()
    .catch(() => ({ code: 'CONSOLE_FAILED', message: response.statusText }))) as Failure;
  // The session is over: one comes back to where one is.
  if (failure.loginAt !== undefined) {
    location.assign(`${failure.loginAt}${queryOf({ to: location.pathname + location.search })}`);
  }
  return new ApiError(failure, response.status);
}

/** Ends the session, and leaves the provider where it wants to be left. */
export async function logOut(): Promise<void> {
  const response = await fetch('/api/logout', { method: 'POST', headers: { [CHANGE_HEADER]: '1' } });
  const { to = '/' } = (await response.json()) as { to?: string };
  location.assign(to);
}
