/**
 * ZooKeeper without a native build: a client with sessions, watches and transactions, the metadata store over it, and a server of the
 * same protocol for clusters on one machine.
 * @packageDocumentation
 */
export { type ConnectString, parseConnectString, type ServerAddress } from './connect-string.ts';
export type { SaslLogin } from './digest-md5.ts';
export { ZooKeeperError, type ZooKeeperErrorCode } from './errors.ts';
export { type ListenAddress, ZooKeeperListener } from './server/listener.ts';
export { ZooKeeperServer, type ZooKeeperServerOptions } from './server/server.ts';
export { type NodeRights, type ZooKeeperMetadataOptions, ZooKeeperMetadataStore } from './store.ts';
