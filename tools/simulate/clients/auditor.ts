import { ErrorCode, errorInfo } from '@millrace/protocol';
import type { SeenRecord } from '../history.ts';
import type { ClientTools } from './client.ts';
import { type FetchedPartition, type FetchPlan, fetchFrom } from './fetching.ts';
import { GroupProtocol } from './group-protocol.ts';
import { EARLIEST, LATEST, listOffsets } from './offsets.ts';
import { NoAnswer } from './requester.ts';
import { Router } from './router.ts';
import type { PartitionRef } from './topics.ts';
import { decodeRecords } from './values.ts';

const NAME = 'auditor';
const TIMEOUT_MS = 10_000;
const ATTEMPTS_MAX = 5;
const LIST_OFFSETS_VERSION = 7;
const FETCH: FetchPlan = {
  version: 12,
  maxWaitMs: 0,
  minBytes: 0,
  maxBytes: 50_000_000,
  partitionMaxBytes: 1_000_000,
  timeoutMs: TIMEOUT_MS,
  readCommitted: false,
};
const VERSIONS = { find: 3, join: 5, sync: 3, heartbeat: 3, leave: 3, commit: 7, fetch: 7 } as const;

/** Why an audit came to no end. */
class AuditRefused extends Error {
  override readonly name = 'AuditRefused';
}

/** Reads everything that the broker has, over connections that nothing disturbs. */
export class Auditor {
  readonly #tools: ClientTools;
  readonly #router: Router;
  #isSettled = false;

  constructor(tools: ClientTools) {
    this.#tools = tools;
    this.#router = new Router(NAME, tools);
  }

  /** One full read. Says why when it cannot be done; what could be read is in the history all the same. */
  async audit(
    partitions: readonly PartitionRef[],
    groups: readonly string[],
    isSettled: boolean,
  ): Promise<string | undefined> {
    this.#isSettled = isSettled;
    try {
      for (const partition of partitions) await this.#readAll(partition);
      for (const group of groups) await this.#askCommitted(group, partitions);
      return undefined;
    } catch (error) {
      if (error instanceof AuditRefused || error instanceof NoAnswer) return error.message;
      throw error;
    } finally {
      this.#router.disconnect('the audit is over');
    }
  }

  /** Retention may take away what is about to be read: then the read begins anew where the log does. */
  async #readAll(partition: PartitionRef): Promise<void> {
    for (let attempt = 1; !(await this.#readOnce(partition)); attempt += 1) {
      if (attempt === ATTEMPTS_MAX) throw new AuditRefused(`${partition.name} begins later each time it is read`);
    }
  }

  async #readOnce(partition: PartitionRef): Promise<boolean> {
    const { history, clock } = this.#tools;
    const start = history.tick();
    const logStart = await this.#logStart(partition);
    const records: SeenRecord[] = [];
    const damaged: [number, number][] = [];
    let sizeBytes = 0;
    // A leader that was just elected may not know yet how far its predecessor was, and then does not say where the end is.
    const isCluster = this.#tools.hosts.length > 1;
    let highWatermark = isCluster ? await this.#end(partition) : -1;
    for (let offset = logStart; highWatermark < 0 || offset < highWatermark; ) {
      const fetched = await this.#fetch(partition, offset);
      if (fetched.errorCode === ErrorCode.CORRUPT_MESSAGE) {
        damaged.push([offset, offset + 1]);
        offset += 1;
        if (highWatermark < 0) highWatermark = await this.#highWatermark(partition);
        continue;
      }
      const isGone = fetched.errorCode === ErrorCode.OFFSET_OUT_OF_RANGE && (await this.#logStart(partition)) > offset;
      if (isGone) return false;
      if (fetched.errorCode !== ErrorCode.NONE) {
        throw new AuditRefused(`${partition.name} at ${offset}: ${errorInfo(fetched.errorCode).name}`);
      }
      if (highWatermark < 0) highWatermark = fetched.highWatermark;
      const content = decodeRecords(fetched.records, offset);
      if (content.fault !== undefined) this.#protest(partition, offset, content.fault);
      sizeBytes += fetched.records?.length ?? 0;
      for (const record of content.records) records.push(record);
      if (content.next === offset && fetched.highWatermark < highWatermark) {
        throw new AuditRefused(`the high watermark of ${partition.name} has gone back while it was read`);
      }
      // What compaction or deletion took away at the end leaves nothing to read before it.
      if (content.next === offset) break;
      offset = content.next;
    }
    const end = history.tick();
    history.add({
      kind: 'audit',
      start,
      end,
      partition: partition.name,
      logStart,
      highWatermark,
      records,
      atMs: clock.now(),
      sizeBytes,
      damaged,
      isSettled: this.#isSettled,
    });
    return true;
  }

  async #end(partition: PartitionRef): Promise<number> {
    const offsets = await listOffsets(this.#router, LIST_OFFSETS_VERSION, [partition], LATEST, TIMEOUT_MS);
    const end = offsets.get(partition);
    if (end === undefined) throw new AuditRefused(`${partition.name} tells no end`);
    return end;
  }

  async #askCommitted(group: string, partitions: readonly PartitionRef[]): Promise<void> {
    const { history, clock } = this.#tools;
    const protocol = new GroupProtocol(group, this.#router, VERSIONS, TIMEOUT_MS);
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const start = history.tick();
      const offsets = await protocol.committed(partitions);
      const end = history.tick();
      for (const [partition, offset] of offsets ?? []) {
        history.add({ kind: 'committed', start, end, client: NAME, group, partition: partition.name, offset });
      }
      if (offsets !== undefined) return;
      // The coordinator reads its log first, or there is no topic of offsets yet.
      await protocol.find();
      await clock.sleep(50);
    }
    throw new AuditRefused(`the coordinator of ${group} tells no offsets`);
  }

  async #fetch(partition: PartitionRef, offset: number): Promise<FetchedPartition> {
    const [fetched] = await fetchFrom(this.#router, [{ partition, offset }], FETCH);
    if (fetched === undefined) throw new AuditRefused(`${partition.name} is not in the answer`);
    return fetched;
  }

  async #logStart(partition: PartitionRef): Promise<number> {
    const found = await listOffsets(this.#router, LIST_OFFSETS_VERSION, [partition], EARLIEST, TIMEOUT_MS);
    const offset = found.get(partition);
    if (offset === undefined) throw new AuditRefused(`${partition.name} tells no beginning`);
    return offset;
  }

  async #highWatermark(partition: PartitionRef): Promise<number> {
    const found = await listOffsets(this.#router, LIST_OFFSETS_VERSION, [partition], -1, TIMEOUT_MS);
    const offset = found.get(partition);
    if (offset === undefined) throw new AuditRefused(`${partition.name} tells no end`);
    return offset;
  }

  #protest(partition: PartitionRef, offset: number, fault: string): void {
    const { history } = this.#tools;
    const message = `a fetch at ${offset} gave a batch that is damaged: ${fault}`;
    const at = history.tick();
    history.add({ kind: 'protest', at, client: NAME, partition: partition.name, anomaly: 'served-damaged', message });
  }
}
