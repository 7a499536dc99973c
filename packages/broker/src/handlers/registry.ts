/**
 * The APIs this broker serves. ApiVersions is derived from this list and from nothing else, so what has no handler is
 * never advertised. Add a handler's import and its place in the list when its file exists.
 */
import type { ApiHandler } from './handler.ts';

/** Every handler, in the order of API keys. */
export const handlers: readonly ApiHandler[] = [];

/** The handlers by API key. */
export const handlerByKey: ReadonlyMap<number, ApiHandler> = new Map(
  handlers.map((handler) => [handler.api.key, handler]),
);
