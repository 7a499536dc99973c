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

/** The settings of all sources. */
export interface CollectedSettings {
  readonly settings: ReadonlyMap<string, string>;
  /** The names that the file sets. */
  readonly namesInFile: readonly string[];
}

/**
 * Collects the settings of all sources.
 * @throws StartError when the file cannot be read, or is none of settings.
 */
export async function collectSettings(sources: SettingSources): Promise<CollectedSettings> {
  const inFile =
    sources.configFile === undefined
      ? new Map<string, string>()
      : parseProperties(await readConfig(sources.configFile));
  const settings = new Map(inFile);
  for (const [name, value] of settingsFromEnvironment(sources.environment)) settings.set(name, value);
  for (const [name, value] of Object.entries(sources.overrides)) settings.set(name, value);
  return { settings, namesInFile: [...inFile.keys()] };
}

/**
 * Refuses a file of which no line sets anything: some other file was meant, and its settings, those of security perhaps, would be missed
 * by nobody. One of comments alone passes, for it may say so.
 * @param isUnknown Whether a name is no setting.
 * @throws StartError
 */
export function refuseStrangeFile(
  path: string,
  namesInFile: readonly string[],
  isUnknown: (name: string) => boolean,
): void {
  const [first] = namesInFile;
  if (first === undefined || !namesInFile.every(isUnknown)) return;
  const shown = first.length > NAME_SHOWN_MAX ? `${first.slice(0, NAME_SHOWN_MAX)}...` : first;
  const which = namesInFile.length === 1 ? 'its only name is not' : `none of its ${namesInFile.length} names is`;
  throw unreadable(path, `${which} that of a setting (${shown}). Is it the file that was meant?`);
}

const NAME_SHOWN_MAX = 60;

function unreadable(path: string, reason: string, cause?: unknown): StartError {
  return new StartError('START_CONFIG_UNREADABLE', `Cannot read the settings in ${path}: ${reason}`, cause);
}

async function readConfig(path: string): Promise<string> {
  try {
    const text = propertiesText(await readFile(path));
    if (text.trim() === '') throw new NoPropertiesError('is empty. To start with the defaults, leave it out');
    return text;
  } catch (cause) {
    if (cause instanceof NoPropertiesError) throw unreadable(path, `it ${cause.message}`, cause);
    const code = (cause as NodeJS.ErrnoException).code;
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'there is no such file',
      EACCES: 'this user may not read it',
      EISDIR: 'it is a folder',
    };
    const reason = reasons[code ?? ''] ?? (cause instanceof Error ? cause.message : String(cause));
    throw unreadable(path, reason, cause);
  }
}
