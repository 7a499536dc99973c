/** Chooses what of a session is worth keeping: every exchange that shows something new, and little that repeats. */
import type { CapturedFrame } from './proxy.ts';

/** A frame as a line of a fixture. */
export interface FrameLine {
  readonly api: number;
  readonly version: number;
  readonly direction: 'request' | 'response';
  readonly clientId: string | null;
  /** The whole frame without its size prefix. */
  readonly base64: string;
}

/** Of frames of the same API, version, direction and about the same size, this many are kept. */
const ALIKE_MAX = 2;

/** Larger frames are left out: a fixture is there to be read often. */
const FRAME_BYTES_MAX = 16_384;

/** Frames count as alike when their sizes fall into one class: powers of two. */
export function selectFrames(frames: readonly CapturedFrame[]): FrameLine[] {
  const seen = new Map<string, number>();
  return frames
    .filter((frame) => {
      const { apiKey, apiVersion, direction, bytes } = frame;
      const alike = `${apiKey} ${apiVersion} ${direction} ${Math.ceil(Math.log2(bytes.length))}`;
      const count = (seen.get(alike) ?? 0) + 1;
      seen.set(alike, count);
      return count <= ALIKE_MAX && bytes.length <= FRAME_BYTES_MAX;
    })
    .map(({ apiKey, apiVersion, direction, clientId, bytes }) => ({
      api: apiKey,
      version: apiVersion,
      direction,
      clientId,
      base64: bytes.toString('base64'),
    }));
}
