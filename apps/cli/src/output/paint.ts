import { styleText } from 'node:util';
import type { CliIo, OutputStream } from '../io.ts';

/** Colours, or none. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

type Style = keyof Paint;
const STYLES: readonly Style[] = ['bold', 'dim', 'red', 'green', 'yellow', 'cyan'];

/** Whether a stream gets colours: a terminal does, unless NO_COLOR (no-color.org) or a dumb terminal speak against it. */
export function takesColor(stream: OutputStream, env: CliIo['env']): boolean {
  if (isSet(env['NO_COLOR'])) return false;
  if (isSet(env['FORCE_COLOR'])) return env['FORCE_COLOR'] !== '0';
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}

export function paintFor(colored: boolean): Paint {
  const entries = STYLES.map((style) => {
    const paint = colored
      ? (text: string): string => styleText(style, text, { validateStream: false })
      : (text: string): string => text;
    return [style, paint] as const;
  });
  return Object.fromEntries(entries) as unknown as Paint;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
