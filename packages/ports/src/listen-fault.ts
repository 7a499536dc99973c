const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there',
  EACCES: 'this user may not bind that port; choose one above 1023',
  EADDRNOTAVAIL: 'no network interface of this machine has that address',
  EAFNOSUPPORT: 'this machine has no network of that kind of address',
  EINVAL: 'that is no address to listen on',
  ENOTFOUND: 'the host name does not resolve',
  EAI_AGAIN: 'the host name could not be resolved just now',
  EMFILE: 'this process may open no more files (ulimit -n)',
  ERR_SOCKET_BAD_PORT: 'ports are numbers from 0 to 65535',
};

/** Why a port could not be opened, as it goes on after a colon. */
export function listenFault(error: NodeJS.ErrnoException): string {
  return REASONS[error.code ?? ''] ?? error.message;
}
