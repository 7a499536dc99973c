/**
 * An address in the form in which Java prints it, in which rules have it: IPv6 without abbreviations and leading zeros,
 * `0:0:0:0:0:0:0:1` for `::1`. What is no IPv6 address comes back as it is.
 */
export function javaAddress(host: string): string {
  if (!host.includes(':')) return host;
  const [address = '', zone] = host.split('%');
  const halves = address.split('::');
  if (halves.length > 2) return host;
  const [left = [], right = []] = halves.map((half) => half.split(':').filter((group) => group !== ''));
  const missing = 8 - left.length - right.length;
  if (missing < 0 || (halves.length === 1 && missing !== 0)) return host;
  const groups = [...left, ...Array.from({ length: missing }, () => '0'), ...right];
  if (groups.some((group) => !/^[0-9a-fA-F]{1,4}$/.test(group))) return host;
  const plain = groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':');
  return zone === undefined ? plain : `${plain}%${zone}`;
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

/** Whether a text is an address in numbers, of either kind. */
export function isAddress(text: string): boolean {
  if (!text.includes(':')) return IPV4.test(text);
  return javaAddress(text).split(':').length === 8;
}
