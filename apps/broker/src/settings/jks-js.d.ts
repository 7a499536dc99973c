/** The part of the library that is used here; it brings no types. */
declare module 'jks-js' {
  interface Certificate {
    readonly value: Buffer;
  }
  /** A trusted certificate, or a key with its chain. */
  interface Entry {
    readonly alias: string;
    readonly cert?: Certificate;
    readonly chain?: readonly Certificate[];
    readonly protectedPrivateKey?: Buffer;
  }
  interface Library {
    parseJks(store: Buffer, password: string | undefined): readonly Entry[];
    decrypt(protectedKey: Buffer, password: string): string;
    parsePkcs12(store: Buffer, password: string | undefined): readonly unknown[];
    toPem(store: Buffer, password: string | undefined): Record<string, { readonly ca?: string }>;
  }
  const library: Library;
  export default library;
}
