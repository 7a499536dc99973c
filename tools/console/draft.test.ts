import { describe, expect, it } from 'vitest';
import { draftOf, editOf, editsOf, isEditable, type Original } from '../../apps/console/page/src/lib/draft.ts';
import { showRecord } from '../../apps/console/src/messages/shown.ts';

type Bytes = Buffer | null;

function shownOf(rawKey: Bytes, rawValue: Bytes, headers: { key: string; value: Bytes }[] = []): Original {
  return showRecord({ partition: 0, offset: 0, timestamp: 0, rawKey, rawValue, headers }, { isDetail: true });
}

const value = (bytes: Buffer) => shownOf(null, bytes).value;

describe('a message like another', () => {
  it('has no edits where nobody has edited anything, whatever is in it', () => {
    const parts: Bytes[] = [
      null,
      Buffer.alloc(0),
      Buffer.from('text'),
      Buffer.from('{"a":1}'),
      Buffer.from([0xff, 0]),
      Buffer.from([0, 0, 0, 7]),
      Buffer.from([0x81, 0xa1, 0x61, 1]),
      Buffer.alloc(1_100_000, 'x'),
    ];
    const headers = Array.from({ length: 150 }, (_, n) => ({
      key: `h${n % 7}`,
      value: parts[n % parts.length] ?? null,
    }));
    for (const key of parts) {
      for (const part of parts) {
        const original = shownOf(key, part, headers);
        expect(editsOf(draftOf(original), original)).toEqual({ key: undefined, value: undefined, headers: undefined });
      }
    }
  });

  it.each([
    ['bytes', Buffer.from([0xff, 0, 1])],
    ['a number', Buffer.from([0, 0, 0, 7])],
    ['MessagePack', Buffer.from([0x81, 0xa1, 0x61, 1])],
    ['a text that is cut', Buffer.alloc(2_000_000, 'x')],
    ['a text with a mark of the order of bytes', Buffer.from('\u{FEFF}{"a":1}')],
    ['a text with carriage returns, which a browser takes away', Buffer.from('a\r\nb')],
  ])('has %s that nobody can edit as text', (_, bytes) => {
    expect(isEditable(value(bytes), 'lines')).toBe(false);
  });

  it.each(['', 'text', '{"a":1}', 'two\nlines', '한글 🙂'])('has the text %j to be edited', (text) => {
    expect(isEditable(value(Buffer.from(text)), 'lines')).toBe(true);
    expect(isEditable(value(Buffer.from(text)), 'line')).toBe(!text.includes('\n'));
  });

  it('is edited in what is another than it was', () => {
    const original = shownOf(Buffer.from([0xff, 1]), Buffer.from('old'), [
      { key: 'none', value: null },
      { key: 'bytes', value: Buffer.from([0xff]) },
    ]);
    const draft = draftOf(original);
    expect(editOf('old', original.value)).toBeUndefined();
    expect(editsOf({ ...draft, value: editOf('new', original.value) }, original)).toMatchObject({
      value: 'new',
      key: undefined,
    });
    expect(editsOf({ ...draft, hasKey: false, isTombstone: true }, original)).toMatchObject({ key: null, value: null });
    const [none, bytes] = draft.headers;
    if (none === undefined || bytes === undefined) throw new Error('there are two');
    const headers = [
      none,
      { ...bytes, name: 'renamed' },
      { id: 9, name: 'new', value: 'x' },
      { id: 10, name: '', value: '' },
    ];
    expect(editsOf({ ...draft, headers }, original).headers).toEqual([
      { kept: 0 },
      { kept: 1, name: 'renamed' },
      { name: 'new', value: 'x' },
    ]);
    expect(
      editsOf(
        {
          ...draft,
          headers: [
            { ...none, name: '' },
            { ...bytes, value: 'text' },
          ],
        },
        original,
      ).headers,
    ).toEqual([{ name: 'bytes', value: 'text' }]);
  });

  it('had no key or no value, and is given one', () => {
    const original = shownOf(null, null);
    const draft = draftOf(original);
    expect(draft).toMatchObject({ hasKey: false, isTombstone: true });
    expect(editsOf({ ...draft, hasKey: true, isTombstone: false }, original)).toMatchObject({ key: '', value: '' });
  });

  it('goes back without the headers that say why it was set aside, those beyond what is shown too', () => {
    const list = Array.from({ length: 300 }, (_, n) => ({
      key: n % 2 === 0 ? `dead-${n}` : `h${n}`,
      value: Buffer.from('x'),
    }));
    const original = { ...shownOf(null, null, list), without: 'dead-' };
    const { headers = [] } = editsOf(draftOf(original), original);
    expect(headers[0]).toEqual({ kept: 1 });
    expect(headers).toHaveLength(51);
    expect(headers.at(-1)).toEqual({ keptFrom: 100, without: 'dead-' });
  });
});
