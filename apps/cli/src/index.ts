/**
 * The command line of Millrace, for programs that bring it along.
 * @packageDocumentation
 */
export type { CliIo, OutputStream } from './io.ts';
export { runCli } from './run-cli.ts';
