import { createServer } from 'node:net';
import type { Logger } from '@millrace/broker';
import { realTimers } from '@millrace/ports';
import { StartError } from '../start-error.ts';
import type { MemberPort } from './member-settings.ts';

export const LOOK_AGAIN_MS = 200;
/** How many looks there are, together 4 seconds: the brokers of a cluster whose parent was killed a moment ago end in less. */
export const LOOKS_MAX = 20;

/**
 * Resolves when every port is free, so that a cluster whose ports somebody has is not started by half.
 * @throws StartError START_PORT_IN_USE
 */
export async function untilPortsAreFree(
  ports: readonly MemberPort[],
  logger: Logger,
  looksMax: number = LOOKS_MAX,
): Promise<void> {
  for (let look = 1; ; look += 1) {
    const taken = await findTaken(ports);
    if (taken === undefined) return;
    const where = `${taken.host === '' ? 'all addresses' : taken.host}, port ${taken.port}`;
    if (look >= looksMax) {
      throw new StartError(
        'START_PORT_IN_USE',
        `Broker ${taken.brokerId} cannot open ${taken.purpose} on ${where}: another process listens there. ` +
          'Stop it, or choose other ports: --port and --http-port name the first, and the other brokers take those that follow',
      );
    }
    if (look === 1) logger.warn({ ...taken }, `Another process listens on ${where}: waiting whether it ends`);
    await new Promise<void>((resolve) => void realTimers.setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

async function findTaken(ports: readonly MemberPort[]): Promise<MemberPort | undefined> {
  for (const each of ports) if (await isTaken(each)) return each;
  return undefined;
}

/** Whatever else may be wrong with a port, the broker itself says when it opens it. */
function isTaken({ host, port }: MemberPort): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
    server.listen({ ...(host === '' ? {} : { host }), port, exclusive: true }, () => {
      server.close(() => resolve(false));
    });
  });
}
