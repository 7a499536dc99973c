import type { Language } from '../../../src/api/refusals.ts';

/** The words of the search for messages: a part of those of the page. */
const en = {
  searchIn: 'Search in key, value and headers',
  pathHint: '$.items[*].price > 10',
  pathHelp:
    '$ begins in the value, key in the key, headers.NAME in a header: $.customer.id = 7, key.region = "eu", headers.trace.id. A key or header that is no JSON is a text: key = order-7, headers.source ~ shop.',
  scriptHint: 'value.total > 100 && key === "a"',
  scriptHelp:
    'value is its JSON, or else its text; key and headers.NAME are texts. Of a header that is there several times headers.NAME is the last, and headerPairs has each as [name, value]. record has partition, offset and timestamp too.',
  inPart:
    'Not all of it was searched: {n} {n?message has|messages have} a key, value or header of more than {size}, of which only the first {size} was looked at. A search by text looks at all of it.',
} as const;

const ko: Record<keyof typeof en, string> = {
  searchIn: '키, 값, 헤더에서 검색',
  pathHint: '$.items[*].price > 10',
  pathHelp:
    '값은 $, 키는 key, 헤더는 headers.이름으로 시작합니다. 예: $.customer.id = 7, key.region = "eu", headers.trace.id. JSON이 아닌 키와 헤더는 텍스트로 비교합니다. 예: key = order-7, headers.source ~ shop.',
  scriptHint: 'value.total > 100 && key === "a"',
  scriptHelp:
    'value는 JSON이면 그 값, 아니면 텍스트입니다. key와 headers.이름은 텍스트입니다. 같은 이름의 헤더가 여러 개면 headers.이름은 마지막 값이며, headerPairs에 모두 [이름, 값]으로 있습니다. record에는 partition, offset, timestamp도 있습니다.',
  inPart:
    '일부만 검색했습니다. 메시지 {n}개의 키, 값 또는 헤더가 {size}보다 길어 처음 {size}만 확인했습니다. 텍스트 검색은 전체를 확인합니다.',
};

export const searchWords = { en, ko } satisfies Record<Language, Record<keyof typeof en, string>>;
