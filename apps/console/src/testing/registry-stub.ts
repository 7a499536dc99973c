/** A schema registry as far as the console asks one: schemas by their ids, and by subject and version. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A schema as a registry keeps it. */
export interface StubSchema {
  readonly schema: string;
  readonly schemaType?: 'AVRO' | 'PROTOBUF' | 'JSON';
  readonly references?: readonly { readonly name: string; readonly subject: string; readonly version: number }[];
}

/** A registry that runs until it is closed. */
export interface StubRegistry {
  readonly url: string;
  /** What was asked for, in order. */
  readonly asked: readonly { readonly path: string; readonly authorization: string | undefined }[];
  close(): Promise<void>;
}

/** Starts a registry; a schema's place is what it is asked by: `/schemas/ids/7`, `/subjects/money/versions/1`. */
export async function startRegistry(schemas: Readonly<Record<string, StubSchema>>): Promise<StubRegistry> {
  const asked: { path: string; authorization: string | undefined }[] = [];
  const { url, close } = await startListening((request, response) => {
    const path = request.url ?? '/';
    asked.push({ path, authorization: request.headers.authorization });
    const found = schemas[path];
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/vnd.schemaregistry.v1+json' });
    response.end(JSON.stringify(found ?? { error_code: 40403, message: 'Schema not found' }));
  });
  return { url, asked, close };
}

/** Starts a server that answers as it is told. */
export async function startListening(answer: RequestListener): Promise<Pick<StubRegistry, 'url' | 'close'>> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // Listening on a port, so the address is one of IP.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Bytes as a registry's serializers write them: a zero, the schema's id, what comes next. */
export function registered(id: number, ...payload: readonly (Buffer | Uint8Array)[]): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(id, 1);
  return Buffer.concat([header, ...payload]);
}
