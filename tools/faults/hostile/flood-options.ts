/** What floods of frames are given. */

/** How many, by which seed, and beside whom. */
export interface FrameFloodOptions {
  readonly frames: number;
  readonly seed: number;
  /** How long the honest client is measured without anybody beside it. */
  readonly quietMs: number;
  /** Frames of logins alone, each where its login is, and the first bytes of TLS. */
  readonly isBeforeLogin?: boolean;
  readonly print: (line: string) => void;
}

/** Where the broker listens: in the open, with TLS, with logins, and with both. */
export interface Ports {
  readonly plain: number;
  readonly tls: number;
  readonly sasl: number;
  readonly saslTls: number;
}
