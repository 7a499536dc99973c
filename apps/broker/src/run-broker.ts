import { type BrokerProcess, type BrokerProcessOptions, startBrokerProcess } from './broker-process.ts';
import { collectForBuffersSeldom } from './heap.ts';
import { ExitCode, StartError } from './start-error.ts';
import { onStopSignals, Terminal } from './stop-signals.ts';

/**
 * Runs a broker in this process until a signal stops it: SIGTERM and SIGINT stop it in order, and a second one at once. SIGHUP stops a
 * broker whose terminal is closed; one that has none goes on, as with `nohup`, which Node would not heed by itself.
 *
 * What keeps the broker from starting is written to standard error, in words that say what to do.
 * @returns The exit code that the process should have: 0 after an orderly stop, 1 after one in which something failed, 78 for settings that cannot be used, 69 for a
 *   taken port or folder, 74 for a full disk or damaged data, 77 for missing rights, 1 for any other start that fails.
 */
export async function runBroker(options: BrokerProcessOptions = {}): Promise<number> {
  collectForBuffersSeldom();
  const terminal = new Terminal();
  let broker: BrokerProcess;
  try {
    broker = await startBrokerProcess(options);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`millrace: ${message}\n`);
    return error instanceof StartError ? error.exitCode : ExitCode.FAILED;
  }
  // Whoever hears that it is ready may ask it to stop in the same moment.
  const stopped = untilStopped(broker, terminal);
  sayReady(broker, options.site !== undefined);
  await options.onReady?.(broker.endpoints);
  return stopped;
}

function sayReady({ endpoints, logDirs, httpPort, logger }: BrokerProcess, hasConsole: boolean): void {
  const addresses = endpoints.map(({ listener, host, port }) => `${listener}://${host}:${port}`).join(', ');
  const tookMs = Math.round(performance.now());
  const served = hasConsole ? 'console and metrics' : 'metrics';
  const http = httpPort === undefined ? '' : `, ${served} on port ${httpPort}`;
  logger.info(
    { addresses, logDirs, httpPort, tookMs },
    `Millrace is ready at ${addresses} after ${tookMs} ms; data in ${logDirs.join(', ')}${http}`,
  );
}

function untilStopped(broker: BrokerProcess, terminal: Terminal): Promise<number> {
  return new Promise((resolve) => {
    let isStopping = false;
    const stop = (exitCode: number): void => {
      isStopping = true;
      broker.stop().then(
        () => {
          unheard();
          broker.logger.info({}, 'Stopped');
          resolve(exitCode);
        },
        (err: unknown) => {
          broker.logger.error({ err }, 'Could not stop in order: the next start will check the logs');
          resolve(ExitCode.FAILED);
        },
      );
    };
    const unheard = onStopSignals(terminal, (signal) => {
      if (isStopping) {
        broker.logger.warn({ signal }, 'Stopping at once: the next start will check the logs');
        process.exit(ExitCode.FORCED);
      }
      broker.logger.info({ signal }, `Stopping on ${signal}; a second signal stops at once`);
      stop(ExitCode.STOPPED);
    });
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
