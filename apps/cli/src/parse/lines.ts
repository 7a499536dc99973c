import { CliError } from '../errors.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** No broker takes a larger record, so what goes on for so long is no text of lines. */
export const LINE_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Cuts a stream into lines, without their line feeds and what Windows puts before them; several at a time, as they come. A last line without a line feed counts. The
 * lines are views of the stream's chunks.
 */
export async function* readLines(
  chunks: AsyncIterable<Buffer>,
  lineBytesMax: number = LINE_BYTES_MAX,
): AsyncGenerator<Buffer[], void> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of chunks) {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      const last = chunk.subarray(start, end);
      lines.push(withoutReturn(pendingBytes === 0 ? last : Buffer.concat([...pending, last])));
      pending = [];
      pendingBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      pending.push(chunk.subarray(start));
      pendingBytes += chunk.length - start;
      if (pendingBytes > lineBytesMax) throw lineTooLong(lineBytesMax);
    }
    if (lines.length > 0) yield lines;
  }
  if (pendingBytes > 0) yield [Buffer.concat(pending)];
}

function withoutReturn(line: Buffer): Buffer {
  return line[line.length - 1] === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
}

function lineTooLong(bytesMax: number): CliError {
  return new CliError('CLI_INPUT_INVALID', `The input has a line of more than ${bytesMax} bytes`, {
    hint: 'Records are read one a line.',
  });
}
