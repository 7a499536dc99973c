import type { SaslLogin } from '@millrace/zookeeper';
import { StartError } from '../start-error.ts';

const MODULE = 'org.apache.zookeeper.server.auth.DigestLoginModule';
const MEND = `It should have Client { ${MODULE} required username="broker" password="secret"; };`;

/**
 * Reads who logs in to ZooKeeper from the section `Client` of a file of Java's (JAAS), as a Kafka broker does that is started with
 * `-Djava.security.auth.login.config`.
 * @throws StartError START_CONFIG_INVALID
 */
export function clientLogin(file: string, text: string): SaslLogin {
  const section = /(?:^|[\s;}])Client\s*\{([^}]*)\}\s*;/.exec(withoutComments(text))?.[1];
  if (section === undefined) throw invalid(file, 'it has no section Client');
  const name = /^\s*([\w.$]+)/.exec(section)?.[1];
  if (name !== MODULE) {
    throw invalid(file, `its section Client wants ${name ?? 'nothing'}, and only ${MODULE} is known here`);
  }
  const options = new Map<string, string>();
  for (const [, key, quoted, bare] of section.matchAll(/(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/g)) {
    options.set(key ?? '', quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '');
  }
  const username = options.get('username');
  const password = options.get('password');
  if (username === undefined || password === undefined) {
    throw invalid(file, 'its section Client lacks username or password');
  }
  return { username, password };
}

/** Comments of either kind are none within quotes. */
function withoutComments(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (found) =>
    found.startsWith('"') ? found : ' ',
  );
}

function invalid(file: string, why: string): StartError {
  const message = `millrace.zookeeper.login.config=${file} cannot be used: ${why}. ${MEND}`;
  return new StartError('START_CONFIG_INVALID', message);
}
