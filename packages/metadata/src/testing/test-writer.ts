/** A process that writes until it is killed and reports each write once it was answered; for the crash test. */
import { NodeDisk } from '@millrace/ports';
import { JournalMetadataStore } from '../journal-store.ts';

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: test-writer.ts FOLDER');
const store = await JournalMetadataStore.open({ folder, disk: new NodeDisk(), journalBytesMax: 4000 });
await store.create('/log', Buffer.alloc(0));
await store.create('/counter', Buffer.from('-1'));
for (let index = 0; ; index += 1) {
  await store.multi([
    { type: 'set', path: '/counter', data: Buffer.from(String(index)), expected: 'any' },
    { type: 'create', path: `/log/${index}`, data: Buffer.alloc(0) },
  ]);
  process.send?.(index);
}
