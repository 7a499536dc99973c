/** The stable codes of {@link TestBrokerError}. */
export type TestBrokerErrorCode =
  | 'TESTING_UNKNOWN_API'
  | 'TESTING_UNSUPPORTED_FAULT'
  | 'TESTING_CONNECTION_DROPPED'
  | 'TESTING_INVALID_ARGUMENT'
  | 'TESTING_INVALID_CONFIG'
  | 'TESTING_INVALID_OPTION'
  | 'TESTING_FOLDER_REFUSED'
  | 'TESTING_PORT_REFUSED'
  | 'TESTING_TOPIC_REFUSED'
  | 'TESTING_UNKNOWN_PARTITION'
  | 'TESTING_UNKNOWN_BROKER'
  | 'TESTING_CLOSED'
  | 'TESTING_NOT_FENCED'
  | 'TESTING_NOT_RUNNING'
  | 'TESTING_NOT_SETTLED';

/** A test asked the broker for what it cannot do, or the broker refused what a test set up. */
export class TestBrokerError extends Error {
  override name = 'TestBrokerError';
  readonly code: TestBrokerErrorCode;
  readonly retriable = false;

  constructor(code: TestBrokerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
