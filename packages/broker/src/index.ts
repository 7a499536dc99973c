/**
 * The broker's core: request handlers, replica manager, group coordinator, controller.
 * @packageDocumentation
 */
export { BrokerError, type BrokerErrorCode } from './errors.ts';
export { type Logger, silentLogger } from './logger.ts';
export { type Counter, type Histogram, type MetricLabels, type Metrics, noMetrics } from './metrics.ts';
