import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ZOOKEEPER_JAR } from '../needs/index.ts';

/** Runs ZooKeeper's own command line (`zkCli.sh`) with commands on its input; what it prints. */
export async function zkCli(port: number, commands: readonly string[], jvm: readonly string[] = []): Promise<string> {
  const args = [...jvm, '-cp', ZOOKEEPER_JAR, 'org.apache.zookeeper.ZooKeeperMain', '-server', `127.0.0.1:${port}`];
  const child = spawn('java', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  child.stdin.end(`${commands.join('\n')}\nquit\n`);
  await once(child, 'close');
  return output;
}
