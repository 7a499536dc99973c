import { describe, expect, it } from 'vitest';
import { keepTemplate, type Store, TEMPLATES_MAX, templatesOf } from '../../apps/console/page/src/lib/templates.ts';

function store(): Store & { kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return { kept, getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, value) };
}

const order = { name: 'order', key: 'k', hasKey: true, value: '{"id":1}', headers: [{ name: 'h', value: 'v' }] };

describe('templates of messages', () => {
  it('are kept by the topic, and one of the same name takes the place of the other', () => {
    const kept = store();
    keepTemplate(kept, 'orders', order);
    keepTemplate(kept, 'orders', { ...order, value: '{"id":2}' });
    expect(templatesOf(kept, 'orders')).toEqual([{ ...order, value: '{"id":2}' }]);
    expect(templatesOf(kept, 'payments')).toEqual([]);
  });

  it('are bounded, the latest staying', () => {
    const kept = store();
    for (let n = 0; n < TEMPLATES_MAX + 3; n += 1) keepTemplate(kept, 'orders', { ...order, name: `order ${n}` });
    const names = templatesOf(kept, 'orders').map(({ name }) => name);
    expect([names.length, names[0], names.at(-1)]).toEqual([TEMPLATES_MAX, 'order 3', `order ${TEMPLATES_MAX + 2}`]);
  });

  it('are none where something else is kept in their place', () => {
    const kept = store();
    for (const text of ['no JSON', '7', '[7, null, {"name": 1}]']) {
      kept.kept.set('templates orders', text);
      expect(templatesOf(kept, 'orders')).toEqual([]);
    }
  });
});
