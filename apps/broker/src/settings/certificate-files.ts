import { StartError } from '../start-error.ts';

const TYPES_BY_ENDING: Readonly<Record<string, string>> = {
  pem: 'PEM',
  crt: 'PEM',
  cer: 'PEM',
  p12: 'PKCS12',
  pfx: 'PKCS12',
  jks: 'JKS',
};

/**
 * The type of a file with keys or certificates: as it is given, else by the ending of its name.
 * @throws StartError START_CONFIG_INVALID where it is none that is read; nothing weaker is tried in its place
 */
export function storeType(setting: string, path: string, given: string | null, allowed: readonly string[]): string {
  const type = (given ?? TYPES_BY_ENDING[path.split('.').at(-1)?.toLowerCase() ?? ''] ?? 'PEM').toUpperCase();
  if (allowed.includes(type)) return type;
  const mend = allowed.includes('PKCS12')
    ? 'Turn a JKS file into PKCS12: keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12'
    : 'Turn it into PEM: keytool -exportcert -rfc -keystore FILE -alias NAME -file FILE.pem';
  throw new StartError(
    'START_CONFIG_INVALID',
    `${setting}.location=${path} is of type ${type}, and ${allowed.join(' or ')} is read here. ${mend}, and set ${setting}.type to ${allowed.at(-1)}`,
  );
}
