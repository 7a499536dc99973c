/**
 * What siblings and tests look into: the protocol, the client, and how connections are made.
 * @packageDocumentation
 */
export { FrameCutter } from './jute.ts';
export { encodeConnectRequest, encodeRequest } from './protocol.ts';
export { connectSocket } from './socket-transport.ts';
export { CuttableConnections } from './testing/cuttable-connections.ts';
export { CuttableStores, reaches } from './testing/cuttable-stores.ts';
export type { Connect, Transport, TransportEvents } from './transport.ts';
