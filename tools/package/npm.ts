/** What the checks of installed packages share. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const INSTALL_MS_MAX = 180_000;

/** Without scripts by default, since nothing of ours may need compiling or a download when it is installed. */
export function npmInstall(
  folder: string,
  what: readonly string[],
  options: { scripts?: boolean } = {},
): Promise<unknown> {
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];
  const scripts = options.scripts === true ? [] : ['--ignore-scripts'];
  return run('npm', ['install', ...scripts, ...quiet, ...what], { cwd: folder, timeout: INSTALL_MS_MAX });
}

/** What went wrong, as a line that says with what; empty where nothing did. */
export async function attempt(what: string, promise: Promise<unknown>): Promise<string[]> {
  try {
    await promise;
    return [];
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string };
    return [`${what}: ${`${stdout}${stderr}`.trim() || message}`.slice(0, 3000)];
  }
}
