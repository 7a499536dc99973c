import type { FrameFault } from './frame-assembler.ts';

/** What kind of peer sent a size that no Kafka client sends. */
export type PeerGuess = 'http' | 'tls' | 'kafka';

const HTTP_BODY =
  'This port speaks the Kafka protocol, not HTTP. Point a Kafka client at it; metrics and health are on the HTTP port.\n';

/** What an HTTP client on a Kafka port is told. */
export const HTTP_ANSWER: Buffer = Buffer.from(
  'HTTP/1.1 400 Bad Request\r\n' +
    'Content-Type: text/plain; charset=utf-8\r\n' +
    `Content-Length: ${Buffer.byteLength(HTTP_BODY)}\r\n` +
    `Connection: close\r\n\r\n${HTTP_BODY}`,
);

/** The first four bytes of the request lines of HTTP/1 and of the HTTP/2 preface. */
const HTTP_STARTS = new Set(['GET ', 'POST', 'HEAD', 'PUT ', 'DELE', 'OPTI', 'PATC', 'TRAC', 'CONN', 'PRI ']);

/** A TLS record of type handshake (0x16) with major version 3. */
const TLS_HANDSHAKE_START = 0x1603;

/** Says in words why a frame's size is refused, and who the peer seems to be. */
export function describeBadSize(fault: FrameFault, frameBytesMax: number): { guess: PeerGuess; message: string } {
  const { sizeBytes, first } = fault;
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(sizeBytes);
  if (first && HTTP_STARTS.has(bytes.toString('latin1'))) {
    return {
      guess: 'http',
      message:
        'it sent an HTTP request to a port that speaks the Kafka protocol. Use the HTTP port for metrics and health',
    };
  }
  if (first && bytes.readUInt16BE(0) === TLS_HANDSHAKE_START) {
    return {
      guess: 'tls',
      message:
        'it began a TLS handshake on a plaintext listener. Set security.protocol=PLAINTEXT in the client, or give it a TLS listener',
    };
  }
  const reason = sizeBytes < 0 ? 'a negative size' : `more than socket.request.max.bytes=${frameBytesMax}`;
  return { guess: 'kafka', message: `it announced a request of ${sizeBytes} bytes, ${reason}` };
}

/** A TLS record of type alert (0x15) with major version 3: what a TLS server answers to plaintext. */
const TLS_ALERT_START = 0x1503;

/** Says in words why a response's size is refused, and whether the server is no Kafka broker on this port at all. */
export function describeForeignServer(fault: FrameFault, frameBytesMax: number): { foreign: boolean; message: string } {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(fault.sizeBytes);
  if (fault.first && bytes.toString('latin1') === 'HTTP') {
    return { foreign: true, message: 'it answered with HTTP. This is not the port of a Kafka broker' };
  }
  if (fault.first && bytes.readUInt16BE(0) === TLS_ALERT_START) {
    const message = 'it answered with a TLS alert. The broker wants TLS on this port: set the option "tls"';
    return { foreign: true, message };
  }
  const reason = fault.sizeBytes < 0 ? 'a negative size' : `more than responseBytesMax=${frameBytesMax}`;
  return { foreign: false, message: `the broker announced a response of ${fault.sizeBytes} bytes, ${reason}` };
}
