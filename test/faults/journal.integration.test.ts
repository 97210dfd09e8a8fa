/** The test server's file: what it acknowledged is there after a restart, in the same place; the rest never was. */
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import { EventLog, type Proposal } from '../support/esdb-server/index.js';
import { type Journal, openJournal } from '../support/esdb-server/journal.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const proposal = (text: string): Proposal => ({
  id: crypto.randomUUID(),
  type: 'T',
  contentType: 'application/json',
  data: Buffer.from(text),
  metadata: Buffer.from('{}'),
});

async function givenFile() {
  const directory = await mkdtemp(join(tmpdir(), 'connector-state-journal-'));
  closers.push(() => rm(directory, { recursive: true }));
  const path = join(directory, 'journal');
  const open = (): Journal => {
    const journal = openJournal(path);
    closers.push(() => journal.close());
    return journal;
  };
  return { path, open };
}

it('a log that is opened again is the log it was, and goes on where it stopped', async () => {
  const { open } = await givenFile();
  const before = new EventLog(open());
  before.append('a', 'no-stream', [proposal('"ü\n"'), proposal('2')]);
  before.appendTransaction([{ stream: 'b', proposal: proposal('3') }]);
  before.softDelete('a');
  before.append('a', 'any', [proposal('4')]);
  before.tombstone('gone');

  const after = new EventLog(open());

  expect(after.events).toEqual(before.events);
  expect(after.readable('a')).toEqual(before.readable('a'));
  expect(after.append('gone', 'any', [proposal('5')])).toEqual({ result: 'stream-deleted' });
  const next = proposal('6');
  expect(after.append('b', 0, [next])).toEqual(before.append('b', 0, [next]));
});

it('an append that was not written to its end was never acknowledged, and is not there', async () => {
  const { path, open } = await givenFile();
  const before = new EventLog(open());
  before.append('a', 'any', [proposal('1')]);
  const whole = await readFile(path);
  before.append('a', 'any', [proposal('2'), proposal('3')]);
  const torn = (await readFile(path)).subarray(whole.length, -10);
  await rm(path);
  await appendFile(path, Buffer.concat([whole, torn]));

  const after = new EventLog(open());

  expect(after.revisionOf('a')).toBe(0);
  after.append('a', 'any', [proposal('4')]);
  expect(new EventLog(open()).readable('a')?.map(({ data }) => String(data))).toEqual(['1', '4']);
});
