/** What comes of one message of a login. */
export type LoginStep =
  | { readonly isDone: false; readonly challenge: Buffer }
  | {
      readonly isDone: true;
      /** The last message to the client. */
      readonly challenge: Buffer;
      readonly user: string;
      /** When what he has logged in with ends, in milliseconds of the wall clock; undefined where it does not. */
      readonly expiresAtMs?: number;
      /** He has logged in by a delegation token, so that he cannot ask for further ones. */
      readonly isByToken?: boolean;
    };

/** The broker's side of one login by one mechanism. */
export interface LoginExchange {
  /** @throws LoginRefused, which is all that the client hears of. */
  respond(token: Buffer): LoginStep | Promise<LoginStep>;
}

/** A login that fails. Whoever tries to log in sees `shown`, or a sentence that only names the mechanism. */
export class LoginRefused extends Error {
  override readonly name = 'LoginRefused';
  readonly shown: string | undefined;

  constructor(reason: string, shown?: string) {
    super(reason);
    this.shown = shown;
  }
}
