/** A message that is being written: a new one, or one like another, of which goes as the bytes it was whatever nobody has edited. */
import type { HeaderEdit, Message, MessageEdits, Shown } from '../../../src/api/contract.ts';

/** Headers that a form shows; the others go as they are. */
export const HEADERS_SHOWN_MAX = 100;
/** What stands before the text of a value by a schema: a zero and the schema's id. */
const SCHEMA_HEADER_BYTES = 5;

/** A header of a draft. */
export interface DraftHeader {
  readonly id: number;
  readonly name: string;
  /** Undefined where it goes as it was. */
  readonly value: string | undefined;
  /** Which of the record's own it is. */
  readonly own?: number | undefined;
  readonly shown?: Shown | undefined;
}

/** What is written so far; a key or a value that is undefined goes as it was. */
export interface Draft {
  readonly key: string | undefined;
  readonly hasKey: boolean;
  readonly value: string | undefined;
  readonly isTombstone: boolean;
  readonly headers: readonly DraftHeader[];
}

/** What a draft begins with. */
export interface Original extends Pick<Message, 'key' | 'value' | 'headers' | 'headerCount'> {
  /** Headers whose names begin so do not come along. */
  readonly without?: string | undefined;
}

/** The fields that texts are edited in: one of one line takes away what divides lines, and none keeps a carriage return. */
export type FieldKind = 'line' | 'lines';

/** Whether what is typed into a field that begins with what is shown becomes the very bytes, but for what is changed. */
export function isEditable({ shape, text, bytes, isCut }: Shown, kind: FieldKind): boolean {
  if (shape === 'null' || shape === 'empty') return true;
  if (isCut || !(shape === 'text' || shape === 'json' || shape === 'json-schema')) return false;
  if ((kind === 'line' ? /[\r\n]/ : /\r/).test(text)) return false;
  // A mark at the beginning, of the order of bytes, is no part of the text.
  const shown = new TextEncoder().encode(text).length;
  return bytes === shown + (shape === 'json-schema' ? SCHEMA_HEADER_BYTES : 0);
}

/** The draft of a new message, or of one like another. */
export function draftOf(original: Original | undefined): Draft {
  if (original === undefined) return { key: '', hasKey: true, value: '', isTombstone: false, headers: [] };
  const { key, value, headers, without } = original;
  return {
    key: undefined,
    hasKey: key.shape !== 'null',
    value: undefined,
    isTombstone: value.shape === 'null',
    headers: headers
      .slice(0, HEADERS_SHOWN_MAX)
      .map((header, own): DraftHeader => ({ id: own, name: header.name, value: undefined, own, shown: header.value }))
      .filter(({ name }) => without === undefined || !name.startsWith(without)),
  };
}

/** How many headers the record has that the draft does not show. */
export function headersBeyond({ headers, headerCount }: Pick<Original, 'headers' | 'headerCount'>): number {
  return headerCount - Math.min(headers.length, HEADERS_SHOWN_MAX);
}

/** What a text becomes: nothing where it is again what it was. */
export function editOf(typed: string, shown: Shown | undefined): string | undefined {
  return shown !== undefined && typed === shown.text && shown.shape !== 'null' ? undefined : typed;
}

/** What of the original the draft makes another. */
export function editsOf(draft: Draft, { key, value, headers, headerCount, without }: Original): MessageEdits {
  return {
    key: edited(draft.hasKey, draft.key, key),
    value: edited(!draft.isTombstone, draft.value, value),
    headers: headersOf(draft, { headers, headerCount, without }),
  };
}

function edited(is: boolean, text: string | undefined, shown: Shown): string | null | undefined {
  const was = shown.shape !== 'null';
  if (!is) return was ? null : undefined;
  return was ? text : (text ?? '');
}

function headersOf(
  draft: Draft,
  { headers, headerCount, without }: Pick<Original, 'headers' | 'headerCount' | 'without'>,
): readonly HeaderEdit[] | undefined {
  const keptFrom = Math.min(headers.length, HEADERS_SHOWN_MAX);
  const list = draft.headers.flatMap(({ name, value, own }): HeaderEdit[] => {
    const nameBefore = own === undefined ? undefined : headers[own]?.name;
    if (own !== undefined && value === undefined) {
      if (name === nameBefore) return [{ kept: own }];
      return name === '' ? [] : [{ kept: own, name }];
    }
    return name === '' && nameBefore !== '' ? [] : [{ name, value: value ?? '' }];
  });
  const isSame =
    list.length === keptFrom && list.every((each, at) => 'kept' in each && each.kept === at && !('name' in each));
  if (isSame && without === undefined) return undefined;
  return headerCount > keptFrom ? [...list, { keptFrom, without }] : list;
}
