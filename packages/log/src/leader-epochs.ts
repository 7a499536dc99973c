import type { EpochStart } from './checkpoint-file.ts';
import type { EpochEndOffset } from './log-types.ts';

const UNKNOWN: EpochEndOffset = { leaderEpoch: -1, endOffset: -1 };

/**
 * Which leader epoch began at which offset (Kafka's `LeaderEpochFileCache`). Epochs and offsets both rise; an epoch without
 * records begins where the next one begins and is dropped then.
 */
export class LeaderEpochs {
  #starts: EpochStart[];
  /** What the checkpoint file holds. */
  #stored: readonly EpochStart[];
  /** What the last batch of a scan says, and the one behind it has not confirmed yet. */
  #unconfirmed: EpochStart | undefined;
  /** The epoch that this log itself leads in, or led in last; -1 once it has followed another. */
  #led = -1;

  constructor(starts: readonly EpochStart[] = []) {
    this.#starts = [...starts];
    this.#stored = starts;
  }

  get starts(): readonly EpochStart[] {
    return this.#starts;
  }

  /** The newest epoch; -1 before the first. */
  get latest(): number {
    return this.#starts.at(-1)?.epoch ?? -1;
  }

  /**
   * Notes that what comes from `startOffset` on is of `epoch`. Does nothing when that is known. A later epoch that was to begin
   * there has no records and gives way; one that has records stays: then it is the batch's epoch that cannot be right.
   */
  assign(epoch: number, startOffset: number): void {
    if (epoch < 0 || epoch === this.latest) return;
    if (epoch > this.#led) this.#led = -1;
    while ((this.#starts.at(-1)?.startOffset ?? -1) >= startOffset) this.#starts.pop();
    if (epoch > this.latest) this.#starts.push({ epoch, startOffset });
  }

  /**
   * Notes a batch that a scan meets. A batch's epoch lies outside its CRC, because the broker writes it, so one that rises is
   * believed only when the next batch does not fall back behind it.
   */
  scanned(epoch: number, startOffset: number): void {
    const before = this.#unconfirmed;
    if (before !== undefined && epoch >= before.epoch) this.assign(before.epoch, before.startOffset);
    this.#unconfirmed = epoch > this.latest ? { epoch, startOffset } : undefined;
  }

  /** The scan is over: nothing comes that could say that its last batch is wrong. */
  scanEnded(): void {
    if (this.#unconfirmed !== undefined) this.assign(this.#unconfirmed.epoch, this.#unconfirmed.startOffset);
    this.#unconfirmed = undefined;
  }

  /** A leader takes over from the end of the log on: no batch can have a higher epoch, whatever a damaged one says. */
  lead(epoch: number, startOffset: number): void {
    this.#starts = this.#starts.filter((start) => start.epoch <= epoch);
    this.assign(epoch, startOffset);
    this.#led = epoch;
  }

  /**
   * A leader's own records could not be written and are cut: its epoch goes on, and begins at `endOffset` where it has none left.
   * Without that, a log with nothing else could not tell a follower whether the two have parted.
   */
  leadOn(endOffset: number): void {
    if (this.#led > this.latest) this.assign(this.#led, endOffset);
  }

  /** Another leads, and has said where this log is to end. */
  follow(): void {
    this.#led = -1;
  }

  /**
   * The largest epoch that is not above `epoch`, and where it ends (`LeaderEpochFileCache.endOffsetFor`). An epoch that begins
   * where the log ends has an answer too, before its first record.
   */
  endOffsetFor(epoch: number, logEndOffset: number): EpochEndOffset {
    if (epoch < 0 || this.#starts.length === 0) return UNKNOWN;
    if (epoch === this.latest) {
      return { leaderEpoch: epoch, endOffset: Math.max(logEndOffset, this.#starts.at(-1)!.startOffset) };
    }
    if (epoch > this.latest) return UNKNOWN;
    const next = this.#starts.findIndex((start) => start.epoch > epoch);
    const floor = this.#starts[next - 1];
    const endOffset = this.#starts[next]!.startOffset;
    return floor === undefined ? { leaderEpoch: epoch, endOffset } : { leaderEpoch: floor.epoch, endOffset };
  }

  /** The epoch that an offset belongs to; -1 when it is before all that is known. */
  epochAt(offset: number): number {
    return this.#starts.findLast((start) => start.startOffset <= offset)?.epoch ?? -1;
  }

  /** Forgets what begins at or behind an offset. Gives what the checkpoint file must hold now where it holds some of that. */
  truncateFromEnd(endOffset: number): readonly EpochStart[] | undefined {
    this.#starts = this.#starts.filter((start) => start.startOffset < endOffset);
    const isCut = this.#stored.some((start) => start.startOffset >= endOffset);
    return isCut ? this.#starts : undefined;
  }

  /** Takes over what began before all that is known. */
  precede(starts: readonly EpochStart[]): void {
    const [first] = this.#starts;
    if (first === undefined) return;
    const before = starts.filter(({ epoch, startOffset }) => epoch < first.epoch && startOffset < first.startOffset);
    const same = starts.find(({ epoch, startOffset }) => epoch === first.epoch && startOffset < first.startOffset);
    this.#starts = [...before, same ?? first, ...this.#starts.slice(1)];
  }

  /** A cut did not come about. */
  restore(starts: readonly EpochStart[]): void {
    this.#starts = [...starts];
  }

  /** Forgets what ended before an offset; the epoch that the offset is of begins there then. */
  truncateFromStart(startOffset: number): void {
    const first = this.#starts.findLastIndex((start) => start.startOffset <= startOffset);
    if (first < 0 || this.#starts[first]!.startOffset === startOffset) return;
    this.#starts = [{ epoch: this.#starts[first]!.epoch, startOffset }, ...this.#starts.slice(first + 1)];
  }

  /**
   * What the checkpoint file must hold for a log that ends at `endOffset`; undefined when it does. An epoch without records
   * is left out: nobody can ask where it ended, and at thousands of partitions an election must not cost a sync for each.
   */
  unstored(endOffset: number): readonly EpochStart[] | undefined {
    const starts = this.#starts.filter((start) => start.startOffset < endOffset);
    const isStored =
      starts.length === this.#stored.length &&
      starts.every(({ epoch, startOffset }, index) => {
        const stored = this.#stored[index]!;
        return stored.epoch === epoch && stored.startOffset === startOffset;
      });
    return isStored ? undefined : starts;
  }

  /** Notes what the checkpoint file holds now. */
  stored(starts: readonly EpochStart[]): void {
    this.#stored = starts;
  }
}
