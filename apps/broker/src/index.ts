/**
 * The Millrace broker process: configuration, listeners, worker pool, metrics, signals.
 * @packageDocumentation
 */
export { type BrokerProcess, type BrokerProcessOptions, startBrokerProcess } from './broker-process.ts';
export type { HttpSite } from './http/http-server.ts';
export type { ClosingSite, MakeSite } from './http/lazy-site.ts';
export { LiveMetadata, type LiveTree } from './live-metadata.ts';
export { runLocalCluster } from './local-cluster/run-local-cluster.ts';
export { MetadataFiles, type Restoration } from './metadata-files.ts';
export { runBroker } from './run-broker.ts';
export { CIPHERS } from './security/tls-settings.ts';
export {
  type CertificateStore,
  type OwnCertificate,
  ownCertificateOf,
  trustedOf,
} from './settings/certificate-stores.ts';
export { type CollectedSettings, collectSettings, type SettingSources } from './settings/sources.ts';
export { ExitCode, StartError, type StartErrorCode } from './start-error.ts';
