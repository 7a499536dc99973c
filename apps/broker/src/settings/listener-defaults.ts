/** Kafka's port. */
const PORT_DEFAULT = 9092;

/**
 * What a broker listens on where `listeners` does not say: this machine alone, because without TLS whoever reaches the port can read and
 * write; with `advertised.listeners`, which are for others, their ports on every interface, as container images derive it.
 * @param port Takes the place of the port, and of `listeners` where they are given.
 */
export function withListenerDefaults(settings: ReadonlyMap<string, string>, port?: number): Map<string, string> {
  const completed = new Map(settings);
  const advertised = settings.get('advertised.listeners')?.trim() ?? '';
  const isGiven = (settings.get('listeners')?.trim() ?? '') !== '';
  if (isGiven && port === undefined) return completed;
  if (isGiven || (advertised !== '' && port !== undefined)) {
    completed.set('listeners', `PLAINTEXT://:${port}`);
  } else if (advertised !== '') {
    completed.set('listeners', advertised.replaceAll(/:\/\/[^,]*?(:-?\d+)\s*(?=,|$)/g, '://$1'));
  } else {
    completed.set('listeners', `PLAINTEXT://127.0.0.1:${port ?? PORT_DEFAULT}`);
    completed.set('advertised.listeners', `PLAINTEXT://localhost:${port ?? PORT_DEFAULT}`);
  }
  return completed;
}
