/** Why a broker gave up on a request or on its start. `code` is stable and meant for programs. */
export type BrokerFaultCode =
  | 'BROKER_UNKNOWN_API'
  | 'BROKER_UNSUPPORTED_VERSION'
  | 'BROKER_MALFORMED_REQUEST'
  | 'BROKER_LOGIN_REFUSED'
  | 'BROKER_CLIENT_GONE'
  | 'BROKER_INVALID_TOPIC_NAME'
  | 'BROKER_NOT_RUNNING'
  | 'BROKER_CONTROLLER_BUSY'
  | 'BROKER_NO_CONTROLLER'
  | 'BROKER_METADATA_BEHIND'
  | 'BROKER_SETTINGS_UNHEEDED'
  | 'BROKER_DISK_FAILED';

/** The root of the errors that the broker's core throws on purpose. */
export class BrokerFault extends Error {
  override name = 'BrokerFault';
  readonly code: BrokerFaultCode;
  /** Whether the same attempt may succeed later. */
  readonly retriable: boolean;

  constructor(code: BrokerFaultCode, message: string, details: { retriable?: boolean; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retriable = details.retriable ?? false;
  }
}
