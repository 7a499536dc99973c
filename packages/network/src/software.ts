/** What a client says of itself to brokers (KIP-511), for their metrics. A test holds the version against package.json. */
export const SOFTWARE_NAME = 'millrace';
export const SOFTWARE_VERSION = '0.1.0';
