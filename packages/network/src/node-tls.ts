/** `node:tls`, loaded when it is first needed: 3 MB of memory and some milliseconds that most processes never need. */
export function nodeTls(): typeof import('node:tls') {
  return process.getBuiltinModule('node:tls');
}
