import type { ToolResult } from '../kafka/index.ts';

/** What a tool has said; throws where it failed. */
export function expectSuccess(tool: string, args: readonly string[], { exitCode, stdout, stderr }: ToolResult): string {
  if (exitCode !== 0) throw new Error(`${tool} ${args.join(' ')} ended with ${exitCode}:\n${stdout}${stderr}`);
  return `${stdout}${stderr}`;
}
