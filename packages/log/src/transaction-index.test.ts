import { MemoryDisk } from '@millrace/ports';
import { expect, it } from 'vitest';
import { OpenFiles } from './open-files.ts';
import { TransactionIndex } from './transaction-index.ts';

const entry = (producerId: number, firstOffset: number) => ({
  producerId,
  firstOffset,
  lastOffset: firstOffset + 5,
  lastStableOffset: firstOffset,
});

it('passes over places full of zeros, as an earlier build could leave them, and keeps the places behind them', async () => {
  const disk = new MemoryDisk();
  const file = new OpenFiles(disk, 10).file('0.txnindex');
  const first = new TransactionIndex(file, false);
  first.append(entry(1, 10));
  await first.flush({ sync: true });
  const ENTRY_BYTES = disk.peek('0.txnindex').length;
  await file.use((open) => open.write(ENTRY_BYTES, [Buffer.alloc(ENTRY_BYTES)], { sync: true }));
  const again = new TransactionIndex(file, true);
  again.append(entry(2, 30));
  await again.flush({ sync: true });
  const last = new TransactionIndex(file, true);
  expect(await last.entries()).toEqual([entry(1, 10), entry(2, 30)]);
  await last.truncateFrom(20);
  expect(disk.peek('0.txnindex').length).toBe(2 * ENTRY_BYTES);
  expect(await new TransactionIndex(file, true).entries()).toEqual([entry(1, 10)]);
});

it('writes with the next flush what is appended during one', async () => {
  const disk = new MemoryDisk();
  const file = new OpenFiles(disk, 10).file('0.txnindex');
  const index = new TransactionIndex(file, false);
  index.append(entry(1, 10));
  const flushed = index.flush({ sync: false });
  index.append(entry(2, 20));
  await flushed;
  const all = [entry(1, 10), entry(2, 20)];
  expect(await index.entries()).toEqual(all);
  await index.flush({ sync: true });
  expect(await new TransactionIndex(file, true).entries()).toEqual(all);
});
