import type { ConnectionContext, RequestAdmission, RequestHandler } from '@millrace/network';
import type { Clock } from '@millrace/ports';
import { apiByKey, decodeBody, decodeRequestHeader, encodeResponse } from '@millrace/protocol';
import { apiNamed } from './arguments.ts';
import { errorAnswer } from './error-answers.ts';
import { TestBrokerError } from './errors.ts';
import type { ApiName, FaultOptions } from './options.ts';

/** A fault that was ordered. */
export interface Fault {
  /** How many requests it has hit. */
  readonly hits: number;
  /** Resolves when it has hit as many requests as it was ordered for. */
  readonly done: Promise<void>;
  /** Takes it back. Requests that it holds are let go. */
  remove(): void;
}

/** What a fault does to a request. */
export type Effect =
  | { readonly kind: 'fail'; readonly errorCode: number }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'hold' }
  | { readonly kind: 'drop'; readonly after: boolean };

class ActiveFault implements Fault {
  hits = 0;
  readonly done: Promise<void>;
  readonly apiKey: number;
  readonly effect: Effect;
  readonly clientId: string | undefined;
  readonly released: Promise<void>;
  #left: number;
  #finish!: () => void;
  #release!: () => void;
  readonly #forget: (fault: ActiveFault) => void;

  constructor(apiKey: number, effect: Effect, options: FaultOptions, forget: (fault: ActiveFault) => void) {
    this.apiKey = apiKey;
    this.effect = effect;
    this.clientId = options.clientId;
    this.#left = options.times ?? 1;
    this.#forget = forget;
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.released = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  hit(): void {
    this.hits += 1;
    this.#left -= 1;
    if (this.#left > 0) return;
    this.#forget(this);
    this.#finish();
  }

  remove(): void {
    this.#forget(this);
    this.#release();
  }
}

/** Stands between the listener and the broker, and does to requests what a test has ordered. */
export class FaultInjector implements RequestHandler {
  readonly #inner: RequestHandler;
  readonly #clock: Clock;
  #faults: ActiveFault[] = [];

  constructor(inner: RequestHandler, clock: Clock) {
    this.#inner = inner;
    this.#clock = clock;
  }

  order(api: ApiName, effect: Effect, options: FaultOptions): Fault {
    const found = apiNamed(api, effect.kind === 'fail');
    const fault = new ActiveFault(found.key, effect, options, (gone) => {
      this.#faults = this.#faults.filter((each) => each !== gone);
    });
    this.#faults.push(fault);
    return fault;
  }

  /** Takes all faults back. */
  clear(): void {
    for (const fault of [...this.#faults]) fault.remove();
  }

  handle(
    frame: Buffer,
    connection: ConnectionContext,
    admission: RequestAdmission,
  ): ReturnType<RequestHandler['handle']> {
    if (this.#faults.length === 0) return this.#inner.handle(frame, connection, admission);
    const { apiKey, clientId } = decodeRequestHeader(frame);
    const fault = this.#faults.find(
      (each) => each.apiKey === apiKey && (each.clientId === undefined || each.clientId === clientId),
    );
    if (fault === undefined) return this.#inner.handle(frame, connection, admission);
    fault.hit();
    return this.#affected(fault, frame, connection, admission);
  }

  connectionClosed(connection: ConnectionContext): void {
    this.#inner.connectionClosed?.(connection);
  }

  async #affected(
    fault: ActiveFault,
    frame: Buffer,
    connection: ConnectionContext,
    admission: RequestAdmission,
  ): Promise<readonly Uint8Array[] | null> {
    const { effect } = fault;
    switch (effect.kind) {
      case 'fail':
        return failed(frame, effect.errorCode);
      case 'delay':
        await new Promise<void>((resolve) => this.#clock.schedule(effect.ms, resolve));
        return this.#inner.handle(frame, connection, admission);
      case 'hold':
        await fault.released;
        return this.#inner.handle(frame, connection, admission);
      case 'drop':
        if (effect.after) await this.#inner.handle(frame, connection, admission);
        throw new TestBrokerError('TESTING_CONNECTION_DROPPED', 'the test asked that this connection be cut');
    }
  }
}

function failed(frame: Buffer, errorCode: number): readonly Uint8Array[] {
  const { apiKey, apiVersion, correlationId, bodyOffset } = decodeRequestHeader(frame);
  const api = apiByKey.get(apiKey)!;
  const request = decodeBody(api.request, apiVersion, frame, bodyOffset);
  const answer = errorAnswer(apiKey)!(request as never, errorCode, apiVersion);
  return encodeResponse(api, apiVersion, correlationId, answer as never);
}
