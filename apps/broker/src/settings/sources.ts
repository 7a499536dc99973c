import { readFile } from 'node:fs/promises';
import { NoPropertiesError, parseProperties, propertiesText } from '@millrace/ports';
import { StartError } from '../start-error.ts';
import { settingsFromEnvironment } from './environment.ts';

/** Where a broker's settings come from; what stands later is stronger. */
export interface SettingSources {
  /** A file in the syntax of `server.properties`. */
  readonly configFile?: string | undefined;
  /** Variables such as `KAFKA_LOG_DIRS`. */
  readonly environment: NodeJS.ProcessEnv;
  /** Settings by name, from the command line. */
  readonly overrides: Readonly<Record<string, string>>;
}

/**
 * Collects the settings of all sources.
 * @throws StartError when the file cannot be read, or is none of settings.
 */
export async function collectSettings(sources: SettingSources): Promise<Map<string, string>> {
  const settings = sources.configFile === undefined ? new Map() : parseProperties(await readConfig(sources.configFile));
  for (const [name, value] of settingsFromEnvironment(sources.environment)) settings.set(name, value);
  for (const [name, value] of Object.entries(sources.overrides)) settings.set(name, value);
  return settings;
}

async function readConfig(path: string): Promise<string> {
  try {
    return propertiesText(await readFile(path));
  } catch (cause) {
    if (cause instanceof NoPropertiesError) {
      throw new StartError(
        'START_CONFIG_UNREADABLE',
        `Cannot read the settings in ${path}: it ${cause.message}`,
        cause,
      );
    }
    const code = (cause as NodeJS.ErrnoException).code;
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'there is no such file',
      EACCES: 'this user may not read it',
      EISDIR: 'it is a folder',
    };
    const reason = reasons[code ?? ''] ?? (cause instanceof Error ? cause.message : String(cause));
    throw new StartError('START_CONFIG_UNREADABLE', `Cannot read the settings in ${path}: ${reason}`, cause);
  }
}
