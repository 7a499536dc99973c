/** Subjects of certificates in every way that they are written, for Java to name. */

/** Types of values by their tags in DER. */
const TAGS = {
  utf8: 0x0c,
  numeric: 0x12,
  printable: 0x13,
  t61: 0x14,
  ia5: 0x16,
  visible: 0x1a,
  general: 0x1b,
  universal: 0x1c,
  bmp: 0x1e,
  integer: 0x02,
  octets: 0x04,
} as const;

type Attribute = readonly [identifier: string, type: keyof typeof TAGS, value: string | Buffer];

const CN = '2.5.4.3';
const SN = '2.5.4.4';
const SERIAL_NUMBER = '2.5.4.5';
const C = '2.5.4.6';
const L = '2.5.4.7';
const ST = '2.5.4.8';
const STREET = '2.5.4.9';
const O = '2.5.4.10';
const OU = '2.5.4.11';
const TITLE = '2.5.4.12';
const BUSINESS_CATEGORY = '2.5.4.15';
const POSTAL_CODE = '2.5.4.17';
const GN = '2.5.4.42';
const DN_QUALIFIER = '2.5.4.46';
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1';
const UID = '0.9.2342.19200300.100.1.1';
const DC = '0.9.2342.19200300.100.1.25';
const JURISDICTION = '1.3.6.1.4.1.311.60.2.1.3';

const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();
const utf32 = (text: string): Buffer =>
  Buffer.concat([...text].map((character) => Buffer.from([0, 0, 0, character.charCodeAt(0)])));

/** Each a list of parts, each part a list of attributes, in the order of the certificate. */
export const SUBJECTS: readonly (readonly (readonly Attribute[])[])[] = [
  [],
  [[[C, 'printable', 'DE']], [[O, 'utf8', 'Example']], [[OU, 'utf8', 'a']], [[OU, 'utf8', 'b']], [[CN, 'utf8', 'app']]],
  [
    [[C, 'printable', 'DE']],
    [[O, 'utf8', 'mill, race']],
    [[OU, 'utf8', 'a']],
    [[OU, 'utf8', 'b']],
    [[CN, 'utf8', 'alice tls']],
    [[EMAIL_ADDRESS, 'ia5', 'a@example.org']],
  ],
  [[[CN, 'utf8', 'a']], [[EMAIL_ADDRESS, 'ia5', 'a@example.org']]],
  [[[CN, 'utf8', 'a']], [[EMAIL_ADDRESS, 'utf8', 'ä@example.org']]],
  [[[TITLE, 'utf8', 'Dr.']], [[CN, 'utf8', 'a']]],
  [[[TITLE, 'printable', 'Dr.']], [[CN, 'printable', 'a']]],
  [[[GN, 'utf8', 'Ada']], [[SN, 'utf8', 'Lovelace']]],
  [[[SERIAL_NUMBER, 'printable', '12-34']], [[CN, 'utf8', 'machine']]],
  [[[SERIAL_NUMBER, 'utf8', '12-34']], [[CN, 'utf8', 'machine']]],
  [[[JURISDICTION, 'printable', 'DE']], [[BUSINESS_CATEGORY, 'utf8', 'Private Organization']], [[CN, 'utf8', 'a']]],
  [
    [[STREET, 'utf8', 'Main Street 1']],
    [[POSTAL_CODE, 'utf8', '12345']],
    [[L, 'utf8', 'Berlin']],
    [[ST, 'utf8', 'BE']],
  ],
  [[[DC, 'ia5', 'org']], [[DC, 'ia5', 'example']], [[UID, 'utf8', 'app1']], [[CN, 'utf8', 'App']]],
  [[[DC, 'utf8', 'org']], [[UID, 'ia5', 'app1']]],
  [[[DN_QUALIFIER, 'printable', 'q1']], [[CN, 'ia5', 'of IA5']]],
  [[[CN, 'bmp', utf16('Kafka ü')]]],
  [[[CN, 'universal', utf32('Kafka')]]],
  [[[CN, 't61', Buffer.from('Kafka')]], [[O, 't61', Buffer.from('Caf\u00e9 x', 'latin1')]]],
  [[[CN, 'general', 'general']], [[OU, 'visible', 'visible']], [[O, 'numeric', '123 4']]],
  [[[CN, 'integer', Buffer.from([5])]], [[O, 'octets', Buffer.from([1, 2, 3])]]],
  [[[CN, 'utf8', 'x'.repeat(200)]], [[POSTAL_CODE, 'utf8', 'y'.repeat(300)]], [[TITLE, 'utf8', 'z'.repeat(127)]]],
  [[[TITLE, 'utf8', 'z'.repeat(128)]], [[TITLE, 'utf8', 'z'.repeat(255)]], [[TITLE, 'utf8', 'z'.repeat(256)]]],
  [[[CN, 'utf8', 'a,b+c"d\\e<f>g;h=i#j/k']]],
  [[[CN, 'utf8', '#1']], [[O, 'utf8', ',']], [[OU, 'utf8', '=']]],
  [[[CN, 'utf8', '  two before, three behind   ']], [[O, 'utf8', ' ']], [[OU, 'utf8', '   ']]],
  [[[CN, 'utf8', ' ,x, ']], [[O, 'utf8', '\r\rcr\r']], [[OU, 'utf8', '\ttab\nline\n']]],
  [[[CN, 'utf8', '']], [[O, 'printable', '']]],
  [[[CN, 'utf8', 'nul\0byte']], [[O, 'utf8', '\u0001\u007f\u0085\u00a0']]],
  [[[CN, 'utf8', 'grüße 你好 😀']], [[O, 'utf8', '\u00a0x\u00a0']]],
  [[[CN, 'utf8', Buffer.from([0x61, 0xff, 0x62, 0xc3, 0x63, 0xe4, 0xbd, 0x64, 0xf0, 0x9f, 0x98])]]],
  [[[CN, 'printable', Buffer.from('not@printable')]]],
  [
    [[O, 'utf8', 'x']],
    [
      [CN, 'utf8', 'a'],
      [UID, 'utf8', 'b'],
      [OU, 'utf8', 'c'],
    ],
  ],
  [
    [
      [UID, 'utf8', 'b'],
      [CN, 'utf8', 'a'],
    ],
    [
      [EMAIL_ADDRESS, 'ia5', 'a@b.c'],
      [CN, 'utf8', 'x + y'],
    ],
  ],
  [[['1.2.3.4', 'utf8', 'own']], [['2.999.3', 'printable', 'far']], [['1.3.6.1.4.1.99999999.128', 'utf8', '']]],
];

/** What openssl makes a certificate of, with its own choice of types. */
export const OPENSSL_SUBJECTS: readonly (readonly string[])[] = [
  ['/C=DE/ST=Berlin/L=Berlin/O=Example/OU=dev/CN=app.example.org'],
  ['/CN=ünïcode/O=Straße', '-utf8'],
  ['/O=x/CN=a+UID=b', '-multivalue-rdn'],
  ['/CN=a/emailAddress=a@example.org/serialNumber=7/title=Dr/SN=s/GN=g'],
  ['/DC=org/DC=example/CN=with\\/slash, comma'],
  [`/O=${'o'.repeat(60)}/OU=${'u'.repeat(60)}/CN=${'n'.repeat(60)}/street=Main Street/postalCode=1/businessCategory=x`],
];

/** A subject in DER. */
export function encodedSubject(subject: (typeof SUBJECTS)[number]): Buffer {
  return tagged(
    0x30,
    ...subject.map((part) =>
      tagged(
        0x31,
        ...part.map(([identifier, type, value]) =>
          tagged(0x30, tagged(0x06, identifierBytes(identifier)), tagged(TAGS[type], Buffer.from(value as string))),
        ),
      ),
    ),
  );
}

function tagged(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function identifierBytes(identifier: string): Buffer {
  const [first = 0, second = 0, ...rest] = identifier.split('.').map(Number);
  return Buffer.from(
    [first * 40 + second, ...rest].flatMap((arc) => {
      const bytes = [arc % 128];
      for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
        bytes.unshift((left % 128) | 0x80);
      return bytes;
    }),
  );
}
