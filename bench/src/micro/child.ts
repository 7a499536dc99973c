/** Measures the case that it is asked for, and prints a {@link CaseResult}. */
import { measure } from 'mitata';
import { finishChild, jobOfThisChild } from '../processes.ts';
import type { CaseResult, MakeCase } from './case.ts';

const WARM_UP_MS_MIN = 200;

const { file, name, timeMs } = jobOfThisChild<{ file: string; name: string; timeMs: number }>();
const { cases } = (await import(file)) as { cases: Readonly<Record<string, MakeCase>> };
const make = cases[name];
if (make === undefined) throw new Error(`There is no case ${name} in ${file}`);
const { run, units, bytes, end } = await make();
// The first calls are interpreted, and which branches they take decides what is compiled.
const warmUntilMs = performance.now() + Math.max(timeMs / 2, WARM_UP_MS_MIN);
while (performance.now() < warmUntilMs) await run();
const { p50 } = await measure(() => run(), { min_cpu_time: timeMs * 1e6 });
await end?.();
finishChild({ callNs: p50, units, bytes } satisfies CaseResult);
