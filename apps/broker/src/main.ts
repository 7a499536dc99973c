#!/usr/bin/env node
/** `node apps/broker/src/main.ts [--config FILE] [--override NAME=VALUE]...`: a broker without the command line tool. */
// By its default: an older Node, which is told so by what is loaded below, does not know the name.
import module from 'node:module';
import { parseArgs } from 'node:util';

// More threads of libuv than its four let more partitions sync at a time; it reads this before its first file call.
process.env.UV_THREADPOOL_SIZE ??= '16';
// Loading what was compiled before takes a third of the time.
module.enableCompileCache?.();

const { values } = parseArgs({
  options: {
    config: { type: 'string', short: 'c' },
    override: { type: 'string', multiple: true },
  },
});
const overrides = Object.fromEntries(
  (values.override ?? []).map((each) => {
    const at = each.indexOf('=');
    return at < 0 ? [each, ''] : [each.slice(0, at), each.slice(at + 1)];
  }),
);
const { runBroker } = await import('./run-broker.ts');
process.exitCode = await runBroker({ configFile: values.config, overrides });
