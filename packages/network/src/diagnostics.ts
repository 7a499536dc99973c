import { type Channel, channel } from 'node:diagnostics_channel';

/** Published on `millrace:connection:connect` when a connection is ready or has failed to become so; not of an attempt that was aborted. */
export interface ConnectEvent {
  readonly host: string;
  readonly port: number;
  readonly durationMs: number;
  readonly error?: unknown;
}

/** Published on `millrace:connection:request` when a request is answered or has failed. */
export interface RequestEvent {
  readonly host: string;
  readonly port: number;
  /** The API's name, such as `Fetch`. */
  readonly api: string;
  readonly version: number;
  readonly durationMs: number;
  readonly error?: unknown;
}

/** Published on `millrace:connection:close` when a connection that was ready is closed. */
export interface CloseEvent {
  readonly host: string;
  readonly port: number;
  readonly reason: Error;
}

export const connectChannel: Channel = channel('millrace:connection:connect');
export const requestChannel: Channel = channel('millrace:connection:request');
export const closeChannel: Channel = channel('millrace:connection:close');
