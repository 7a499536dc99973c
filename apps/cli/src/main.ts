#!/usr/bin/env node
/** The `millrace` program. What it can do is in `run-cli.ts`; here it meets the process. */
import { enableCompileCache } from 'node:module';

// Loading what was compiled before takes a third of the time.
enableCompileCache();

const { runCli } = await import('./run-cli.ts');
const { processIo } = await import('./io.ts');
const io = processIo();
process.exitCode = await runCli(process.argv.slice(2), io);
await io.flush();
// Nothing may keep the program after its work: no idle connection, no standard input that nobody reads to its end.
process.exit();
