#!/usr/bin/env node
/** The `millrace` program. What it can do is in `run-cli.ts`; here it meets the process. */
// By its default: an older Node, which is told so below, does not know the name.
import module from 'node:module';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `millrace needs Node 22.18 or later, and this is ${process.versions.node}: https://nodejs.org\n`,
  );
  process.exit(1);
}

// More threads of libuv than its four let more partitions of a broker sync at a time; it reads this before its first file call.
process.env.UV_THREADPOOL_SIZE ??= '16';
// Loading what was compiled before takes a third of the time.
module.enableCompileCache();

const { runCli } = await import('./run-cli.ts');
const { processIo } = await import('./io.ts');
const io = processIo();
process.exitCode = await runCli(process.argv.slice(2), io);
await io.flush();
// Nothing may keep the program after its work: no idle connection, no standard input that nobody reads to its end.
process.exit();
