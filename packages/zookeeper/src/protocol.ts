/**
 * The requests and answers of ZooKeeper's client protocol, both ways (`zookeeper.jute`, `ZooDefs`).
 */
import type { NodeStat } from '@millrace/metadata';
import { JuteReader, JuteWriter, type LongId, malformed, NO_ID } from './jute.ts';

/** The kinds of requests that are spoken. */
export const OpCode = {
  CREATE: 1,
  DELETE: 2,
  EXISTS: 3,
  GET_DATA: 4,
  SET_DATA: 5,
  GET_ACL: 6,
  SET_ACL: 7,
  GET_CHILDREN: 8,
  SYNC: 9,
  PING: 11,
  GET_CHILDREN2: 12,
  CHECK: 13,
  MULTI: 14,
  CREATE2: 15,
  AUTH: 100,
  SET_WATCHES: 101,
  SASL: 102,
  SET_WATCHES2: 105,
  CLOSE_SESSION: -11,
  ERROR: -1,
} as const;

/** The numbers of frames that answer no request of the queue. */
export const Xid = { NOTIFICATION: -1, PING: -2, AUTH: -4, SET_WATCHES: -8, SASL: 0 } as const;

/** Answers of a server that are no success (`KeeperException.Code`). */
export const ErrorNumber = {
  OK: 0,
  SYSTEM_ERROR: -1,
  RUNTIME_INCONSISTENCY: -2,
  UNIMPLEMENTED: -6,
  BAD_ARGUMENTS: -8,
  NO_NODE: -101,
  NO_AUTH: -102,
  BAD_VERSION: -103,
  NO_CHILDREN_FOR_EPHEMERALS: -108,
  NODE_EXISTS: -110,
  NOT_EMPTY: -111,
  SESSION_EXPIRED: -112,
  INVALID_ACL: -114,
  AUTH_FAILED: -115,
  SESSION_MOVED: -118,
} as const;

/** What a watch reports. */
export const EventType = { CREATED: 1, DELETED: 2, CHANGED: 3, CHILDREN: 4 } as const;

/** The state that events are told in: the session is connected. */
const SYNC_CONNECTED = 3;

/** Any version will do. */
export const ANY_VERSION = -1;

/** What somebody may do with a node (`ZooDefs.Perms`). */
export const Permission = { READ: 1, ALL: 31 } as const;

/** Who may do what with a node. */
export interface Acl {
  readonly permissions: number;
  readonly scheme: string;
  readonly id: string;
}

/** Everybody may do everything. */
export const OPEN_ACL: readonly Acl[] = [{ permissions: Permission.ALL, scheme: 'world', id: 'anyone' }];

/** Who has made the node may do everything, nobody else anything. */
export const CREATOR_ACL: readonly Acl[] = [{ permissions: Permission.ALL, scheme: 'auth', id: '' }];

/** Who has made the node may do everything, all others may read. */
export const READABLE_ACL: readonly Acl[] = [
  ...CREATOR_ACL,
  { permissions: Permission.READ, scheme: 'world', id: 'anyone' },
];

/** How a client begins. */
export interface ConnectRequest {
  readonly lastZxidSeen: number;
  readonly timeoutMs: number;
  readonly sessionId: LongId;
  readonly password: Buffer;
}

export interface ConnectResponse {
  /** 0 or less: the session has expired. */
  readonly timeoutMs: number;
  readonly sessionId: LongId;
  readonly password: Buffer;
}

const PROTOCOL_VERSION = 0;

export function encodeConnectRequest(request: ConnectRequest): Buffer {
  const writer = new JuteWriter().int(PROTOCOL_VERSION).long(request.lastZxidSeen).int(request.timeoutMs);
  return writer.longId(request.sessionId).buffer(request.password).bool(false).frame();
}

export function decodeConnectRequest(frame: Buffer): ConnectRequest {
  const reader = new JuteReader(frame);
  reader.int();
  const lastZxidSeen = reader.long();
  const timeoutMs = reader.int();
  // Whether a server that can only read will do comes behind, from clients since 3.4; this server can always write.
  return { lastZxidSeen, timeoutMs, sessionId: reader.longId(), password: reader.buffer() };
}

export function encodeConnectResponse({ timeoutMs, sessionId, password }: ConnectResponse): Buffer {
  return new JuteWriter().int(PROTOCOL_VERSION).int(timeoutMs).longId(sessionId).buffer(password).bool(false).frame();
}

export function decodeConnectResponse(frame: Buffer): ConnectResponse {
  const reader = new JuteReader(frame);
  reader.int();
  return { timeoutMs: reader.int(), sessionId: reader.longId(), password: reader.buffer() };
}

/** A node's creation. Flags: 1 ephemeral, 2 sequential. */
export interface CreateBody {
  readonly type: 'create';
  readonly path: string;
  readonly data: Uint8Array;
  readonly acl: readonly Acl[];
  readonly ephemeral: boolean;
  readonly sequential: boolean;
  /** Whether the answer has the stat. */
  readonly withStat?: boolean;
}

/** A write, by itself or within a multi. */
export type WriteBody =
  | CreateBody
  | { readonly type: 'delete'; readonly path: string; readonly version: number }
  | { readonly type: 'set'; readonly path: string; readonly data: Uint8Array; readonly version: number }
  | { readonly type: 'check'; readonly path: string; readonly version: number };

/** The watches of a client that has come back, by what they wait for. */
export interface WatchPaths {
  readonly data: readonly string[];
  readonly exist: readonly string[];
  readonly children: readonly string[];
}

/** What a client asks. */
export type RequestBody =
  | WriteBody
  | { readonly type: 'get' | 'exists'; readonly path: string; readonly watch: boolean }
  | { readonly type: 'children'; readonly path: string; readonly watch: boolean; readonly withStat: boolean }
  | { readonly type: 'multi'; readonly operations: readonly WriteBody[] }
  | { readonly type: 'sync' | 'getAcl'; readonly path: string }
  | { readonly type: 'setAcl'; readonly path: string; readonly acl: readonly Acl[]; readonly version: number }
  | { readonly type: 'auth'; readonly scheme: string; readonly auth: Buffer }
  | { readonly type: 'setWatches'; readonly relativeZxid: number; readonly watches: WatchPaths }
  | { readonly type: 'ping' | 'close' };

const EPHEMERAL = 1;
const SEQUENTIAL = 2;

const writeCodes = { create: OpCode.CREATE, delete: OpCode.DELETE, set: OpCode.SET_DATA, check: OpCode.CHECK } as const;

export function encodeRequest(xid: number, body: RequestBody): Buffer {
  const writer = new JuteWriter().int(xid).int(codeOf(body));
  putBody(writer, body);
  return writer.frame();
}

/** A step of a login. An empty token is written as such: a server does not take null for one. */
export function encodeSasl(token: string): Buffer {
  const writer = new JuteWriter().int(Xid.SASL).int(OpCode.SASL);
  return (token === '' ? writer.int(0) : writer.string(token)).frame();
}

function codeOf(body: RequestBody): number {
  switch (body.type) {
    case 'create':
      return body.withStat === true ? OpCode.CREATE2 : OpCode.CREATE;
    case 'delete':
    case 'set':
    case 'check':
      return writeCodes[body.type];
    case 'get':
      return OpCode.GET_DATA;
    case 'exists':
      return OpCode.EXISTS;
    case 'children':
      return body.withStat ? OpCode.GET_CHILDREN2 : OpCode.GET_CHILDREN;
    case 'multi':
      return OpCode.MULTI;
    case 'sync':
      return OpCode.SYNC;
    case 'getAcl':
      return OpCode.GET_ACL;
    case 'setAcl':
      return OpCode.SET_ACL;
    case 'auth':
      return OpCode.AUTH;
    case 'setWatches':
      return OpCode.SET_WATCHES;
    case 'ping':
      return OpCode.PING;
    case 'close':
      return OpCode.CLOSE_SESSION;
  }
}

function putBody(writer: JuteWriter, body: RequestBody): void {
  switch (body.type) {
    case 'create':
      writer.string(body.path).buffer(body.data);
      putAcl(writer, body.acl);
      writer.int((body.ephemeral ? EPHEMERAL : 0) + (body.sequential ? SEQUENTIAL : 0));
      break;
    case 'delete':
    case 'check':
      writer.string(body.path).int(body.version);
      break;
    case 'set':
      writer.string(body.path).buffer(body.data).int(body.version);
      break;
    case 'get':
    case 'exists':
    case 'children':
      writer.string(body.path).bool(body.watch);
      break;
    case 'multi':
      putMulti(writer, body.operations);
      break;
    case 'sync':
    case 'getAcl':
      writer.string(body.path);
      break;
    case 'setAcl':
      writer.string(body.path);
      putAcl(writer, body.acl);
      writer.int(body.version);
      break;
    case 'auth':
      writer.int(0).string(body.scheme).buffer(body.auth);
      break;
    case 'setWatches':
      writer.long(body.relativeZxid);
      for (const paths of [body.watches.data, body.watches.exist, body.watches.children]) {
        writer.vector(paths, (path) => writer.string(path));
      }
      break;
    case 'ping':
    case 'close':
      break;
  }
}

function putMulti(writer: JuteWriter, operations: readonly WriteBody[]): void {
  for (const operation of operations) {
    writer.int(writeCodes[operation.type]).bool(false).int(-1);
    putBody(writer, operation);
  }
  writer.int(-1).bool(true).int(-1);
}

function putAcl(writer: JuteWriter, acl: readonly Acl[]): void {
  writer.vector(acl, ({ permissions, scheme, id }) => writer.int(permissions).string(scheme).string(id));
}

/** What a request says. @throws ZooKeeperError ZOOKEEPER_MALFORMED_FRAME; `body` is undefined for a kind that is not spoken */
export function decodeRequest(frame: Buffer): { readonly xid: number; readonly body: RequestBody | undefined } {
  const reader = new JuteReader(frame);
  const xid = reader.int();
  return { xid, body: takeBody(reader, reader.int()) };
}

function takeBody(reader: JuteReader, code: number): RequestBody | undefined {
  switch (code) {
    case OpCode.CREATE:
    case OpCode.CREATE2:
      return takeCreate(reader, code === OpCode.CREATE2);
    case OpCode.DELETE:
      return { type: 'delete', path: reader.string(), version: reader.int() };
    case OpCode.CHECK:
      return { type: 'check', path: reader.string(), version: reader.int() };
    case OpCode.SET_DATA:
      return { type: 'set', path: reader.string(), data: reader.buffer(), version: reader.int() };
    case OpCode.GET_DATA:
      return { type: 'get', path: reader.string(), watch: reader.bool() };
    case OpCode.EXISTS:
      return { type: 'exists', path: reader.string(), watch: reader.bool() };
    case OpCode.GET_CHILDREN:
    case OpCode.GET_CHILDREN2:
      return { type: 'children', path: reader.string(), watch: reader.bool(), withStat: code === OpCode.GET_CHILDREN2 };
    case OpCode.MULTI:
      return { type: 'multi', operations: takeMulti(reader) };
    case OpCode.SYNC:
      return { type: 'sync', path: reader.string() };
    case OpCode.GET_ACL:
      return { type: 'getAcl', path: reader.string() };
    case OpCode.SET_ACL:
      return { type: 'setAcl', path: reader.string(), acl: takeAcl(reader), version: reader.int() };
    case OpCode.AUTH:
      reader.int();
      return { type: 'auth', scheme: reader.string(), auth: reader.buffer() };
    case OpCode.SET_WATCHES:
      return takeSetWatches(reader);
    case OpCode.PING:
      return { type: 'ping' };
    case OpCode.CLOSE_SESSION:
      return { type: 'close' };
    default:
      return undefined;
  }
}

function takeCreate(reader: JuteReader, withStat: boolean): CreateBody {
  const path = reader.string();
  const data = reader.buffer();
  const acl = takeAcl(reader);
  const flags = reader.int();
  const [ephemeral, sequential] = [(flags & EPHEMERAL) !== 0, (flags & SEQUENTIAL) !== 0];
  return { type: 'create', path, data, acl, ephemeral, sequential, withStat };
}

function takeMulti(reader: JuteReader): WriteBody[] {
  const operations: WriteBody[] = [];
  for (;;) {
    const code = reader.int();
    const isDone = reader.bool();
    reader.int();
    if (isDone) return operations;
    const body = takeBody(reader, code);
    if (body === undefined || !isWrite(body)) throw malformed(`a multi has an operation of kind ${code}`);
    operations.push(body);
  }
}

function isWrite(body: RequestBody): body is WriteBody {
  return body.type in writeCodes;
}

/** A path, a scheme or an id takes at least its length. */
const STRING_BYTES_MIN = 4;
const ACL_BYTES_MIN = 12;

function takeAcl(reader: JuteReader): Acl[] {
  return reader.vector(ACL_BYTES_MIN, () => ({
    permissions: reader.int(),
    scheme: reader.string(),
    id: reader.string(),
  }));
}

function takeSetWatches(reader: JuteReader): RequestBody {
  const relativeZxid = reader.long();
  const paths = (): string[] => reader.vector(STRING_BYTES_MIN, () => reader.string());
  return { type: 'setWatches', relativeZxid, watches: { data: paths(), exist: paths(), children: paths() } };
}

/** A stat as it is sent: what the port knows, and what only ZooKeeper's own programs look at. */
export interface WireStat extends NodeStat {
  /** The transaction that last changed the list of children. */
  readonly pzxid: number;
}

export function putStat(writer: JuteWriter, stat: WireStat): void {
  writer.long(stat.czxid).long(stat.mzxid).long(stat.createdMs).long(stat.modifiedMs);
  writer.int(stat.version).int(stat.childrenVersion).int(0);
  writer
    .longId(stat.ephemeralOwner ?? NO_ID)
    .int(stat.dataBytes)
    .int(stat.childCount)
    .long(stat.pzxid);
}

export function takeStat(reader: JuteReader): WireStat {
  const czxid = reader.long();
  const mzxid = reader.long();
  const createdMs = reader.long();
  const modifiedMs = reader.long();
  const version = reader.int();
  const childrenVersion = reader.int();
  reader.int();
  const owner = reader.longId();
  const dataBytes = reader.int();
  const childCount = reader.int();
  return {
    czxid,
    mzxid,
    createdMs,
    modifiedMs,
    version,
    childrenVersion,
    ephemeralOwner: owner === NO_ID ? undefined : owner,
    dataBytes,
    childCount,
    pzxid: reader.long(),
  };
}

/** What one operation of a multi gave. An error that is no error stands before the one that is, a -2 behind it. */
export type MultiResult =
  | { readonly type: 'create'; readonly path: string }
  | { readonly type: 'set'; readonly stat: WireStat }
  | { readonly type: 'delete' | 'check' }
  | { readonly type: 'error'; readonly error: number };

export function putMultiResults(writer: JuteWriter, results: readonly MultiResult[]): void {
  for (const result of results) {
    const isError = result.type === 'error';
    writer
      .int(isError ? OpCode.ERROR : writeCodes[result.type])
      .bool(false)
      .int(isError ? result.error : 0);
    if (result.type === 'create') writer.string(result.path);
    else if (result.type === 'set') putStat(writer, result.stat);
    else if (isError) writer.int(result.error);
  }
  writer.int(-1).bool(true).int(-1);
}

export function takeMultiResults(reader: JuteReader): MultiResult[] {
  const results: MultiResult[] = [];
  for (;;) {
    const code = reader.int();
    const isDone = reader.bool();
    reader.int();
    if (isDone) return results;
    results.push(takeMultiResult(reader, code));
  }
}

function takeMultiResult(reader: JuteReader, code: number): MultiResult {
  switch (code) {
    case OpCode.CREATE:
      return { type: 'create', path: reader.string() };
    case OpCode.SET_DATA:
      return { type: 'set', stat: takeStat(reader) };
    case OpCode.DELETE:
      return { type: 'delete' };
    case OpCode.CHECK:
      return { type: 'check' };
    case OpCode.ERROR:
      return { type: 'error', error: reader.int() };
    default:
      throw malformed(`a multi is answered with a result of kind ${code}`);
  }
}

/** The head of an answer. */
export interface ReplyHeader {
  readonly xid: number;
  readonly zxid: number;
  readonly error: number;
}

export function replyWriter({ xid, zxid, error }: ReplyHeader): JuteWriter {
  return new JuteWriter().int(xid).long(zxid).int(error);
}

export function takeReplyHeader(reader: JuteReader): ReplyHeader {
  return { xid: reader.int(), zxid: reader.long(), error: reader.int() };
}

/** A watch has fired. */
export interface WireEvent {
  readonly type: number;
  readonly path: string;
}

export function encodeEvent({ type, path }: WireEvent, zxid: number): Buffer {
  const header = { xid: Xid.NOTIFICATION, zxid, error: ErrorNumber.OK };
  return replyWriter(header).int(type).int(SYNC_CONNECTED).string(path).frame();
}

/** The rest of a notification behind its header. */
export function takeEvent(reader: JuteReader): WireEvent {
  const type = reader.int();
  reader.int();
  return { type, path: reader.string() };
}
