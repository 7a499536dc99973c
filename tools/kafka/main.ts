/** `node tools/kafka/main.ts start|fetch|TOOL ...`: see README.md beside this file. */
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { KAFKA_3, kafkaToolNames, startApacheKafka } from './index.ts';
import { kafkaClassPath } from './jars.ts';
import { javaArguments } from './tool.ts';

const [command, ...rest] = process.argv.slice(2);
if (command === 'start') {
  await start(rest);
} else if (command === 'fetch') {
  for (const version of rest.length === 0 ? [KAFKA_3] : rest) {
    console.log(await kafkaClassPath(version));
  }
} else if (command !== undefined && kafkaToolNames.includes(command)) {
  await runTool(command, rest);
} else {
  console.error(
    'usage: node tools/kafka/main.ts start [--version V] [--port N] [--config name=value]... [--folder DIR]',
  );
  console.error('       node tools/kafka/main.ts fetch [V]...');
  console.error('       node tools/kafka/main.ts TOOL [--kafka V] [arguments of the tool]...');
  console.error(`tools: ${kafkaToolNames.join(' ')}`);
  process.exitCode = 2;
}

async function start(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      version: { type: 'string', default: KAFKA_3 },
      port: { type: 'string', default: '9192' },
      folder: { type: 'string' },
      config: { type: 'string', multiple: true, default: [] },
    },
  });
  const startedAt = performance.now();
  const kafka = await startApacheKafka({
    version: values.version,
    port: Number(values.port),
    config: Object.fromEntries(values.config.map(splitSetting)),
    ...(values.folder === undefined ? {} : { folder: values.folder }),
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`Apache Kafka ${kafka.version} on ${kafka.bootstrap} after ${seconds} s, data in ${kafka.logDir}`);
  const stop = async (): Promise<void> => {
    await kafka.stop();
    process.exit(0);
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

function splitSetting(setting: string): [string, string] {
  const at = setting.indexOf('=');
  return [setting.slice(0, at), setting.slice(at + 1)];
}

/** Hands terminal, arguments and exit code through. `--kafka V` chooses whose tool it is. */
async function runTool(tool: string, args: string[]): Promise<void> {
  const at = args.indexOf('--kafka');
  const version = at === -1 ? KAFKA_3 : (args.splice(at, 2)[1] ?? KAFKA_3);
  const child = spawn('java', [...(await javaArguments(tool, version, '512m')), ...args], { stdio: 'inherit' });
  child.on('close', (code) => {
    process.exitCode = code ?? 1;
  });
}
