/** Passwords of the console's users, in the clear or as what scrypt makes of them: `$scrypt$ln=14,r=8,p=5$SALT$HASH`. */
import { createHmac, randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { ConsoleError, refusal } from '../errors.ts';

/** 16 MiB and about a quarter of a second for each guess: what OWASP asks for, in little memory. */
const COST = { ln: 14, r: 8, p: 5 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** What a hash may ask for. */
const MEMORY_BYTES_MAX = 256 * 1024 * 1024;
const BLOCKS_MAX = 16;
/** Logins that wait while another is looked at; it is done one after the other, so that guesses take one thread and one share of memory. */
const WAITING_MAX = 32;
/** Right passwords that are remembered: a browser sends its own with every request. */
const REMEMBERED_MAX = 1000;

const PREFIX = '$scrypt$';
const FORM = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{6,86})\$([A-Za-z0-9+/]{22,86})$/;

interface Hash {
  readonly salt: Buffer;
  readonly hash: Buffer;
  readonly options: ScryptOptions;
}

/** Makes what a users' file may hold in the place of a password. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, { salt, hash: Buffer.alloc(HASH_BYTES), options: optionsOf(COST) });
  const cost = Object.entries(COST).map(([name, value]) => `${name}=${value}`);
  return `${PREFIX}${cost.join(',')}$${unpadded(salt)}$${unpadded(hash)}`;
}

/** Whether a password is given by its hash; what begins like one and is none is nobody's password. */
export function isHashedPassword(text: string): boolean {
  return parsed(text) !== undefined;
}

function parsed(text: string): Hash | undefined {
  if (!text.startsWith(PREFIX)) return undefined;
  const [, ln, r, p, salt, hash] = FORM.exec(text) ?? [];
  const options = optionsOf({ ln: Number(ln), r: Number(r), p: Number(p) });
  const isSensible = Number(ln) >= 1 && Number(r) >= 1 && Number(p) >= 1 && Number(p) <= BLOCKS_MAX;
  if (salt === undefined || hash === undefined || !isSensible || memoryOf(options) > MEMORY_BYTES_MAX) {
    throw new ConsoleError(
      'CONSOLE_PASSWORD_INVALID',
      `A password begins like a hash and is none that can be used: ${PREFIX}ln=14,r=8,p=5$SALT$HASH, as \`millrace console hash-password\` makes it`,
    );
  }
  return { salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64'), options };
}

function optionsOf({ ln, r, p }: typeof COST): ScryptOptions {
  // Twice what it takes: OpenSSL counts a little more than the formula says.
  return { N: 2 ** ln, r, p, maxmem: 2 * MEMORY_BYTES_MAX };
}

function memoryOf({ N = 0, r = 0 }: ScryptOptions): number {
  return 128 * N * r;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}

function derive(password: string, { salt, hash, options }: Hash): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, hash.length, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** Somebody with a password. */
interface Named {
  readonly name: string;
  readonly password: string;
}

/** Looks passwords through, at a cost that is bounded for the console and not for who guesses. */
export class Passwords<User extends Named> {
  readonly #clear: readonly User[];
  readonly #hashed: readonly (readonly [user: User, hash: Hash])[];
  /** What was right, or is being looked at, by a digest that this process alone can make. */
  readonly #known = new Map<string, Promise<User | undefined>>();
  readonly #key = randomBytes(32);
  #waiting = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /** @throws ConsoleError `CONSOLE_PASSWORD_INVALID` where one begins like a hash and is none */
  constructor(users: readonly User[]) {
    const all = users.map((user) => [user, parsed(user.password)] as const);
    this.#clear = all.flatMap(([user, hash]) => (hash === undefined ? [user] : []));
    this.#hashed = all.flatMap(([user, hash]) => (hash === undefined ? [] : [[user, hash] as const]));
  }

  /**
   * Who has this name and this password.
   * @throws ConsoleError `CONSOLE_BUSY` where too many passwords are being looked at
   */
  async find(name: string, password: string): Promise<User | undefined> {
    const clear = this.#inTheClear(name, password);
    if (clear !== undefined || this.#hashed.length === 0) return clear;
    const digest = createHmac('sha256', this.#key).update(`${name}\0${password}`).digest('base64');
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const checked = this.#inTurn(() => this.#byHash(name, password));
    this.#remember(digest, checked);
    return checked;
  }

  #inTheClear(name: string, password: string): User | undefined {
    let found: User | undefined;
    // All are compared, so that the time tells nobody which names there are.
    for (const user of this.#clear) {
      const isUser = isSame(name, user.name);
      const isPassword = isSame(password, user.password);
      if (isUser && isPassword && name !== '') found = user;
    }
    return found;
  }

  /** Where nobody is called so, another's hash takes the same time. */
  async #byHash(name: string, password: string): Promise<User | undefined> {
    const own = this.#hashed.find(([user]) => isSame(name, user.name));
    const [user, hash] = own ?? this.#hashed[0] ?? [];
    if (user === undefined || hash === undefined) return undefined;
    const isRight = timingSafeEqual(await derive(password, hash), hash.hash);
    return isRight && own !== undefined ? user : undefined;
  }

  async #inTurn<T>(look: () => Promise<T>): Promise<T> {
    if (this.#waiting >= WAITING_MAX) throw refusal('CONSOLE_BUSY', 'loginsBusy');
    this.#waiting += 1;
    const turn = this.#turn.then(look);
    this.#turn = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Wrong ones are forgotten as soon as they are known to be wrong: they would drive the right ones out. */
  #remember(digest: string, checked: Promise<User | undefined>): void {
    this.#known.set(digest, checked);
    const forget = (): void => void this.#known.delete(digest);
    checked.then((user) => user ?? forget(), forget);
    const [oldest] = this.#known.keys();
    if (this.#known.size > REMEMBERED_MAX && oldest !== undefined) this.#known.delete(oldest);
  }
}

function isSame(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  const isEqualLength = one.length === other.length;
  return timingSafeEqual(one, isEqualLength ? other : one) && isEqualLength;
}
