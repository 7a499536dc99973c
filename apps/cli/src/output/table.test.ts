import { describe, expect, it } from 'vitest';
import { paintFor } from './paint.ts';
import { displayWidth, renderPairs, renderTable } from './table.ts';

describe('a table', () => {
  it('lines columns up, numbers to the right, and marks empty cells', () => {
    const table = renderTable(
      [{ header: 'TOPIC' }, { header: 'END', align: 'right' }, { header: 'MEMBER' }],
      [
        ['orders', '5,168', ''],
        ['a', '0', 'me'],
      ],
    );
    expect(table).toBe(['TOPIC     END  MEMBER', 'orders  5,168  -', 'a           0  me'].join('\n'));
  });

  it('is as wide with colours as without', () => {
    const paint = paintFor(true);
    const plain = renderTable([{ header: 'A' }, { header: 'B' }], [['red', 'x']]);
    const colored = renderTable([{ header: 'A' }, { header: 'B' }], [[paint.red('red'), 'x']], paint);
    expect(colored).toContain('\u001b[31mred\u001b[39m  x');
    expect(displayWidth(colored.split('\n')[1]!)).toBe(displayWidth(plain.split('\n')[1]!));
  });

  it('knows how wide characters are', () => {
    expect([displayWidth('ab'), displayWidth('水車'), displayWidth('e\u0301'), displayWidth('🌊')]).toEqual([
      2, 4, 1, 2,
    ]);
    expect([
      displayWidth('👩\u200d👩\u200d👧'),
      displayWidth('🇩🇪'),
      displayWidth('❤\ufe0f'),
      displayWidth('한'),
    ]).toEqual([2, 2, 2, 2]);
    expect([displayWidth('©'), displayWidth('naïve'), displayWidth('\u200b'), displayWidth('')]).toEqual([1, 5, 0, 0]);
  });

  it('lines values up behind their names', () => {
    expect(
      renderPairs(
        [
          ['Id', 'x'],
          ['Members', ''],
        ],
        paintFor(false),
      ),
    ).toBe('Id       x\nMembers  -');
  });
});
