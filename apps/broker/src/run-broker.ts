import { type BrokerProcess, type BrokerProcessOptions, startBrokerProcess } from './broker-process.ts';
import { collectForBuffersSeldom } from './heap.ts';
import { ExitCode, StartError } from './start-error.ts';

const STOP_SIGNALS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];

/**
 * Runs a broker in this process until a signal stops it: SIGTERM and SIGINT stop it in order, and a second one at once. SIGHUP stops a
 * broker whose terminal is closed; one that has none goes on, as with `nohup`, which Node would not heed by itself.
 *
 * What keeps the broker from starting is written to standard error, in words that say what to do.
 * @returns The exit code that the process should have: 0 after an orderly stop, 1 after one in which something failed, 78 for settings that cannot be used, 69 for a
 *   taken port or folder, 74 for a full disk, 77 for missing rights, 1 for any other start that fails.
 */
export async function runBroker(options: BrokerProcessOptions = {}): Promise<number> {
  collectForBuffersSeldom();
  // Asked now: a terminal that is closed is none any more.
  const hasTerminal = [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY === true);
  if (hasTerminal) outliveTerminal();
  let broker: BrokerProcess;
  try {
    broker = await startBrokerProcess(options);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`millrace: ${message}\n`);
    return error instanceof StartError ? error.exitCode : ExitCode.FAILED;
  }
  // Whoever hears that it is ready may ask it to stop in the same moment.
  const stopped = untilStopped(broker, hasTerminal);
  sayReady(broker);
  return stopped;
}

function sayReady({ endpoints, logDirs, httpPort, logger }: BrokerProcess): void {
  const addresses = endpoints.map(({ listener, host, port }) => `${listener}://${host}:${port}`).join(', ');
  const tookMs = Math.round(performance.now());
  const http = httpPort === undefined ? '' : `, metrics on port ${httpPort}`;
  logger.info(
    { addresses, logDirs, httpPort, tookMs },
    `Millrace is ready at ${addresses} after ${tookMs} ms; data in ${logDirs.join(', ')}${http}`,
  );
}

/** Lines that nobody can read any more must not end a broker before it has stopped in order. */
function outliveTerminal(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

function untilStopped(broker: BrokerProcess, hasTerminal: boolean): Promise<number> {
  return new Promise((resolve) => {
    let isStopping = false;
    const stop = (exitCode: number): void => {
      isStopping = true;
      broker.stop().then(
        () => {
          for (const each of STOP_SIGNALS) process.off(each, onSignal);
          broker.logger.info({}, 'Stopped');
          resolve(exitCode);
        },
        (err: unknown) => {
          broker.logger.error({ err }, 'Could not stop in order: the next start will check the logs');
          resolve(ExitCode.FAILED);
        },
      );
    };
    const onSignal = (signal: NodeJS.Signals): void => {
      // A terminal that is closed says so twice: the kernel does, and the shell.
      if (signal === 'SIGHUP' && (isStopping || !hasTerminal)) return;
      if (isStopping) {
        broker.logger.warn({ signal }, 'Stopping at once: the next start will check the logs');
        process.exit(ExitCode.FORCED);
      }
      broker.logger.info({ signal }, `Stopping on ${signal}; a second signal stops at once`);
      stop(ExitCode.STOPPED);
    };
    for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
    void broker.unusable.then((err) => {
      if (isStopping) return;
      broker.logger.error(
        { err },
        'Stopping, because the disk does not keep what is written: check it, then start again',
      );
      stop(ExitCode.DISK);
    });
  });
}
