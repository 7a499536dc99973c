/** A trace goes with a record through OpenTelemetry's own API: what the READMEs of the producer and the consumer tell. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ConsumerRecord } from '@millrace/consumer';
import type { SendEvent } from '@millrace/producer';
import { context, propagation, ROOT_CONTEXT, type SpanContext, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Consuming } from './consuming.ts';
import { uniqueName } from './suite-cluster.ts';

const consuming = new Consuming();
const span: SpanContext = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };

type AnyRecord = ConsumerRecord<unknown, unknown>;
const getter = {
  get: (record: AnyRecord, name: string) => record.header(name)?.toString(),
  keys: (record: AnyRecord) => record.headers.map(({ key }) => key),
};

const inject = (event: unknown): void => {
  const { headers } = event as SendEvent;
  propagation.inject(context.active(), headers, { set: (list, key, value) => void list.push({ key, value }) });
};

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  subscribe('millrace:producer:send', inject);
});
afterAll(() => {
  unsubscribe('millrace:producer:send', inject);
  context.disable();
  propagation.disable();
});

it('the context of a send is that of the handler', async () => {
  const topic = await consuming.newTopic();
  await context.with(trace.setSpanContext(ROOT_CONTEXT, span), () =>
    consuming.producer.send({ topic, value: 'traced' }),
  );
  await consuming.producer.send({ topic, value: 'not traced' });
  const consumer = consuming.newConsumer({ groupId: uniqueName('traced') });
  consumer.subscribe(topic);
  const seen: (string | undefined)[] = [];
  await consumer.run({
    eachRecord: (record) =>
      context.with(propagation.extract(ROOT_CONTEXT, record, getter), async () => {
        await Promise.resolve();
        seen.push(trace.getSpanContext(context.active())?.traceId);
        if (seen.length === 2) void consumer.close();
      }),
  });
  expect(seen).toEqual([span.traceId, undefined]);
});
