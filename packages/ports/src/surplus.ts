/**
 * Calls that are given more than they take. What JavaScript leaves out in silence may be options that are not there, or a callback, as
 * other clients have them, that would never be called.
 */
import { shown } from './checks.ts';

type Method = (this: unknown, ...given: unknown[]) => unknown;

/** How many arguments methods take at most; the compiler holds the numbers to the methods. */
export type ArgumentCounts<T> = {
  readonly [Name in keyof T]?: T[Name] extends (...given: infer Given) => unknown ? Required<Given>['length'] : never;
};

/**
 * Has methods refuse arguments beyond those that they take. One that is undefined is none.
 *
 * @param holder a class's prototype, or an object with methods of its own
 * @param refuse throws, or returns a promise that is rejected where the method returns promises
 */
export function takeNoMore<T extends object>(
  holder: T,
  counts: ArgumentCounts<T>,
  refuse: (fault: string) => unknown,
): void {
  for (const [name, count] of Object.entries<number | undefined>(counts as Record<string, number | undefined>)) {
    // Each is a method: the type of the counts says so.
    const method = Reflect.get(holder, name) as Method;
    const most = count ?? 0;
    const slow: Method = function slow(...given) {
      if (given.slice(most).every((one) => one === undefined)) return method.apply(this, given);
      return refuse(surplusFault(name, most, given.slice(most)));
    };
    // Programs send each record by one of these: a list of its arguments would cost more than all other checks.
    const limited: Method = function limited(first, ...others) {
      return others.length === 0 && most === 1 ? method.call(this, first) : slow.call(this, first, ...others);
    };
    Object.defineProperty(limited, 'name', { value: name });
    Object.defineProperty(holder, name, { value: limited, writable: true, configurable: true, enumerable: false });
  }
}

const COUNTS = ['no argument', 'one argument', 'two arguments', 'three arguments', 'four arguments'];

function surplusFault(name: string, most: number, surplus: readonly unknown[]): string {
  const first = surplus.find((one) => one !== undefined);
  const isCallback = surplus.some((one) => typeof one === 'function');
  const mend = isCallback ? ': callbacks are not called, await what it returns' : '';
  return `${name}() takes ${COUNTS[most] ?? `${most} arguments`}, and there is ${shown(first)} beside${mend}`;
}
