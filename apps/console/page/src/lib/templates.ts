/** Messages that the reader sends again and again, kept in his browser by the topic. */

/** A message to begin with. */
export interface Template {
  readonly name: string;
  readonly key: string;
  readonly hasKey: boolean;
  readonly value: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

/** What is kept of a topic at most; the oldest go first. */
export const TEMPLATES_MAX = 20;

/** Where they are kept: a browser's storage, or something like it. */
export type Store = Pick<Storage, 'getItem' | 'setItem'>;

const placeOf = (topic: string): string => `templates ${topic}`;

/** The templates of a topic; none where what is kept is none. */
export function templatesOf(store: Store, topic: string): Template[] {
  try {
    const kept: unknown = JSON.parse(store.getItem(placeOf(topic)) ?? '[]');
    return Array.isArray(kept) ? kept.filter(isTemplate) : [];
  } catch {
    return [];
  }
}

function isTemplate(kept: unknown): kept is Template {
  if (typeof kept !== 'object' || kept === null) return false;
  const { name, key, hasKey, value, headers } = kept as Record<string, unknown>;
  const isText = [name, key, value].every((each) => typeof each === 'string');
  return isText && typeof hasKey === 'boolean' && Array.isArray(headers);
}

/** Keeps a template, in the place of one of the same name. */
export function keepTemplate(store: Store, topic: string, template: Template): void {
  const others = templatesOf(store, topic).filter(({ name }) => name !== template.name);
  store.setItem(placeOf(topic), JSON.stringify([...others, template].slice(-TEMPLATES_MAX)));
}
