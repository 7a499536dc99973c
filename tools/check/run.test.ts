import { describe, expect, it } from 'vitest';
import { runSteps } from './run.ts';
import { type Step, steps } from './steps.ts';

function step(name: string, script: string, after?: readonly string[]): Step {
  const command: Step['command'] = [process.execPath, '-e', script];
  return { name, why: 'a test', command, ...(after === undefined ? {} : { after }) };
}

describe('running steps', () => {
  it('runs the rest when one fails, and keeps what each printed', async () => {
    const results = await runSteps(
      [
        step('good', "console.log('out')"),
        step('bad', "console.error('why'); process.exit(3)"),
        step('dead', "process.kill(process.pid, 'SIGKILL')"),
      ],
      2,
      () => undefined,
    );
    const byName = Object.fromEntries(results.map((result) => [result.step.name, result]));
    expect(byName.good).toMatchObject({ passed: true, output: 'out\n' });
    expect(byName.bad).toMatchObject({ passed: false, output: 'why\n' });
    expect(byName.dead).toMatchObject({ passed: false, output: expect.stringContaining('SIGKILL') });
  });

  it('starts a step when those before it are over, and waits for none that is not part of the run', async () => {
    const order: string[] = [];
    const chosen = [step('last', '', ['first', 'not chosen']), step('first', '')];
    await runSteps(chosen, 2, (result) => order.push(result.step.name));
    expect(order).toEqual(['first', 'last']);
  });

  it('fails a step whose program is not there', async () => {
    const missing: Step = { name: 'missing', why: 'a test', command: ['no-such-program'] };
    const [result] = await runSteps([missing], 1, () => undefined);
    expect(result).toMatchObject({ passed: false, output: expect.stringContaining('could not start no-such-program') });
  });
});

describe('the steps', () => {
  it('wait only for steps that are there', () => {
    const names = steps.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { after = [] } of steps) {
      expect(names).toEqual(expect.arrayContaining([...after]));
    }
  });
});
