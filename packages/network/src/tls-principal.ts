/**
 * The subject of a certificate as Kafka prints it (RFC 2253, most specific part first): `CN=app,OU=dev,O=Example`.
 * Node lists the parts in the order of the certificate, which is the other way round.
 */
export function distinguishedName(subject: object): string {
  return Object.entries(subject)
    .flatMap(([name, value]) => (Array.isArray(value) ? value.map((one) => [name, one]) : [[name, value]]))
    .map(([name, value]) => `${name}=${escapeValue(String(value))}`)
    .reverse()
    .join(',');
}

function escapeValue(value: string): string {
  return value.replace(/[,+"\\<>;]/g, (character) => `\\${character}`);
}
