/**
 * Cuts a byte stream into frames: an int32 size, then that many bytes.
 *
 * A frame that lies whole in one chunk of the stream is handed out as a view of the chunk, unless chunks are only lent. Any
 * other is put together in one buffer. The announced size is believed only up to a bound; beyond that the buffer doubles as
 * the bytes come in, so a peer that announces 100 MB and stalls holds no more than twice what it sent.
 */

const SIZE_BYTES = 4;

/** Frames up to this size get their whole buffer at once; above it the buffer grows as bytes arrive. */
export const TRUSTED_FRAME_BYTES = 1024 * 1024;

/** Frames below this size share memory, where they have to be copied: memory of its own costs more than such a frame. */
const SHARED_FRAME_BYTES_MAX = 2048;

const EMPTY_FRAME: Buffer = Buffer.alloc(0);

/** Decides whether bytes of unfinished frames may be held; counts them until the frame is whole or dropped. */
export interface AssemblyMemory {
  /** False: not now; the caller stops and asks again later. */
  take(bytes: number): boolean;
  release(bytes: number): void;
}

/** Why a stream of frames cannot go on: the size that was announced is negative or above the bound. */
export interface FrameFault {
  readonly sizeBytes: number;
  /** Whether it was the first size on this stream: then the peer may not be speaking Kafka at all. */
  readonly first: boolean;
}

/** How a {@link FrameAssembler} is set up. */
export interface FrameAssemblerOptions {
  /** The largest frame that is accepted, in bytes, without its size prefix; asked for at each frame where it may change. */
  frameBytesMax: number | (() => number);
  /** Gives the buffer for a frame that spans chunks. Default: memory of its own, unless it is tiny. */
  allocateFrame?: ((bytes: number) => Buffer) | undefined;
  memory?: AssemblyMemory | undefined;
  /** Up to which size an announced frame gets its whole buffer at once. Default: {@link TRUSTED_FRAME_BYTES}. */
  trustedFrameBytes?: number | (() => number) | undefined;
  /** Whether a chunk's memory is used again once `next` has given undefined, so that no frame may be a view of it. Default: no. */
  chunksAreLent?: boolean | undefined;
}

/** Pull-style frame reader: `push` chunks in, take frames out with `next` until it gives undefined. */
export class FrameAssembler {
  readonly #frameBytesMax: () => number;
  readonly #allocateFrame: (bytes: number) => Buffer;
  readonly #memory: AssemblyMemory | undefined;
  readonly #trustedFrameBytes: () => number;
  readonly #chunksAreLent: boolean;

  /** Chunks not yet consumed; `#position` is in the first. The caller bounds them by not reading on. */
  readonly #chunks: Buffer[] = [];
  #position = 0;

  #prefix = 0;
  #prefixBytes = 0;
  #frameBytes = -1;
  #partial: Buffer | undefined;
  #filledBytes = 0;
  #framesSeen = 0;
  #blocked = false;
  #fault: FrameFault | undefined;

  constructor(options: FrameAssemblerOptions) {
    const { frameBytesMax, trustedFrameBytes = TRUSTED_FRAME_BYTES } = options;
    this.#frameBytesMax = typeof frameBytesMax === 'number' ? () => frameBytesMax : frameBytesMax;
    this.#allocateFrame = options.allocateFrame ?? allocateFrame;
    this.#memory = options.memory;
    this.#trustedFrameBytes = typeof trustedFrameBytes === 'number' ? () => trustedFrameBytes : trustedFrameBytes;
    this.#chunksAreLent = options.chunksAreLent ?? false;
  }

  /** Set once the stream is broken; no frame comes after it. */
  get fault(): FrameFault | undefined {
    return this.#fault;
  }

  /** True when `next` gave nothing because memory for an unfinished frame was refused. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Bytes held for the frame that is being put together. */
  get partialBytes(): number {
    return this.#filledBytes;
  }

  /** Bytes of chunks that were pushed and not yet looked at. */
  get unreadBytes(): number {
    let bytes = -this.#position;
    for (const chunk of this.#chunks) {
      bytes += chunk.length;
    }
    return bytes;
  }

  /** Whether the stream stands in the middle of a frame, so that its end here would be a cut. */
  get midFrame(): boolean {
    return this.#prefixBytes > 0 || this.#frameBytes >= 0 || this.unreadBytes > 0;
  }

  push(chunk: Buffer): void {
    if (chunk.length > 0) this.#chunks.push(chunk);
  }

  /** The next whole frame without its size prefix; undefined when more bytes (or memory) are needed, or after a fault. */
  next(): Buffer | undefined {
    this.#blocked = false;
    for (let chunk = this.#chunks[0]; chunk !== undefined && this.#fault === undefined; chunk = this.#chunks[0]) {
      if (this.#frameBytes < 0 && !this.#readSize(chunk)) continue;
      const frame = this.#readBody(chunk);
      if (frame !== undefined) {
        this.#framesSeen += 1;
        this.#frameBytes = -1;
        return frame;
      }
      if (this.#blocked) return undefined;
    }
    return undefined;
  }

  /** Drops what is held. */
  dispose(): void {
    if (this.#filledBytes > 0) this.#memory?.release(this.#filledBytes);
    this.#filledBytes = 0;
    this.#partial = undefined;
    this.#chunks.length = 0;
    this.#position = 0;
    this.#frameBytes = -1;
    this.#prefixBytes = 0;
  }

  /** Reads the size prefix, which may itself be spread over chunks. True once `#frameBytes` is known. */
  #readSize(chunk: Buffer): boolean {
    let sizeBytes: number;
    if (this.#prefixBytes === 0 && chunk.length - this.#position >= SIZE_BYTES) {
      sizeBytes = chunk.readInt32BE(this.#position);
      this.#position += SIZE_BYTES;
    } else {
      while (this.#prefixBytes < SIZE_BYTES && this.#position < chunk.length) {
        this.#prefix = (this.#prefix << 8) | (chunk[this.#position++] as number);
        this.#prefixBytes += 1;
      }
      if (this.#prefixBytes < SIZE_BYTES) {
        this.#dropChunk();
        return false;
      }
      sizeBytes = this.#prefix;
      this.#prefix = 0;
      this.#prefixBytes = 0;
    }
    if (sizeBytes < 0 || sizeBytes > this.#frameBytesMax()) {
      this.#fault = { sizeBytes, first: this.#framesSeen === 0 };
      return false;
    }
    this.#frameBytes = sizeBytes;
    return true;
  }

  #readBody(chunk: Buffer): Buffer | undefined {
    const frameBytes = this.#frameBytes;
    const start = this.#position;
    const available = chunk.length - start;
    if (this.#partial === undefined && available >= frameBytes && (frameBytes === 0 || !this.#chunksAreLent)) {
      this.#advance(chunk, frameBytes);
      return frameBytes === 0 ? EMPTY_FRAME : chunk.subarray(start, start + frameBytes);
    }
    const bytes = Math.min(available, frameBytes - this.#filledBytes);
    if (bytes > 0) {
      if (this.#memory?.take(bytes) === false) {
        this.#blocked = true;
        return undefined;
      }
      const partial = this.#partialWithRoomFor(bytes);
      chunk.copy(partial, this.#filledBytes, start, start + bytes);
      this.#filledBytes += bytes;
    }
    this.#advance(chunk, bytes);
    return this.#filledBytes === frameBytes ? this.#takePartial(frameBytes) : undefined;
  }

  #partialWithRoomFor(bytes: number): Buffer {
    const neededBytes = this.#filledBytes + bytes;
    const partial = this.#partial;
    if (partial !== undefined && partial.length >= neededBytes) return partial;
    const wantedBytes = partial === undefined ? this.#trustedFrameBytes() : partial.length * 2;
    const grown = this.#allocateFrame(Math.min(this.#frameBytes, Math.max(wantedBytes, neededBytes)));
    partial?.copy(grown, 0, 0, this.#filledBytes);
    this.#partial = grown;
    return grown;
  }

  #takePartial(frameBytes: number): Buffer | undefined {
    const frame = this.#partial?.subarray(0, frameBytes);
    this.#partial = undefined;
    this.#filledBytes = 0;
    this.#memory?.release(frameBytes);
    return frame;
  }

  #advance(chunk: Buffer, bytes: number): void {
    this.#position += bytes;
    if (this.#position === chunk.length) this.#dropChunk();
  }

  #dropChunk(): void {
    this.#chunks.shift();
    this.#position = 0;
  }
}

function allocateFrame(bytes: number): Buffer {
  return bytes <= SHARED_FRAME_BYTES_MAX ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes);
}
