/** Writes the lists of APIs into `docs/compatibility.md`: `node tools/readme/main.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { apiLists } from './api-lists.ts';

const PAGE = new URL('../../docs/compatibility.md', import.meta.url);
const COLUMNS = 120;

/** A sentence as a quotation of lines of some length. */
function quoted(sentence: string): string {
  const lines: string[] = [];
  for (const word of sentence.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > COLUMNS) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.map((line) => `> ${line}`).join('\n');
}

const { served, missing } = await apiLists();
let page = readFileSync(PAGE, 'utf8');
for (const [begin, sentence] of [
  ['The broker serves: ', served],
  ['Not served: ', missing],
]) {
  page = page.replace(new RegExp(`> ${begin}[^.]*\\.(\\n|$)`), `${quoted(sentence!)}\n`);
}
writeFileSync(PAGE, page);
