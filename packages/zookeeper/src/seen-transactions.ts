/**
 * How far a client has seen the tree. Each greeting shows it, and a server that has applied less closes the connection without a word, so that
 * nobody reads what is older than what he has read ("client must try another server"). All servers do so for ever where the ensemble was put
 * back from a copy, and nobody would learn that the session is over. A server that has no majority hangs up alike, though, and has the session
 * when that is back: so after a session's time the greeting shows nothing, and the client itself holds the server against what it has seen.
 */
export class SeenTransactions {
  #lastZxid = 0;
  /** What sessions before this one have seen, until a server has shown how far it is. */
  #beforeZxid = 0;
  #hungUpSinceMs: number | undefined;
  #wereShown = true;

  /** The last transaction that this session has seen; 0 before the first. */
  get lastZxid(): number {
    return this.#lastZxid;
  }

  /** Whether the server that has been greeted last was shown how far this is, so that it is not behind where it answers. */
  get wereShown(): boolean {
    return this.#wereShown;
  }

  /** What the next greeting shows. */
  toShow(nowMs: number, sessionTimeoutMs: number): number {
    this.#wereShown =
      this.#lastZxid === 0 || this.#hungUpSinceMs === undefined || nowMs - this.#hungUpSinceMs < sessionTimeoutMs;
    return this.#wereShown ? this.#lastZxid : 0;
  }

  /** A server that was reached has closed the connection in place of an answer to the greeting. */
  hungUp(nowMs: number): void {
    this.#hungUpSinceMs ??= nowMs;
  }

  /** The session goes on at a server that is not behind. */
  admitted(): void {
    this.#hungUpSinceMs = undefined;
  }

  /** An answer came. Says what is wrong where the server is behind what an earlier session has seen: each session begins with a transaction. */
  saw(zxid: number, keeper: string): string | undefined {
    if (zxid <= 0) return undefined;
    this.#lastZxid = Math.max(this.#lastZxid, zxid);
    const beforeZxid = this.#beforeZxid;
    this.#beforeZxid = 0;
    if (zxid >= beforeZxid) return undefined;
    return (
      `${keeper[0]?.toUpperCase()}${keeper.slice(1)} is behind what this process has seen (transaction ${hex(zxid)} after ${hex(beforeZxid)}): ` +
      'it was put back from an older copy, or it is another one. What was changed since that copy is lost to it'
    );
  }

  /** A new session begins, which may see what is older. */
  beginAnew(): void {
    this.#beforeZxid = Math.max(this.#beforeZxid, this.#lastZxid);
    this.#lastZxid = 0;
    this.#hungUpSinceMs = undefined;
  }
}

/** As ZooKeeper's own log has them. */
function hex(zxid: number): string {
  return `0x${zxid.toString(16)}`;
}
