/**
 * The test server held to what real servers answered. `test/fixtures/eventstoredb-*.json` were recorded from EventStoreDB
 * 24.2.0 and 23.10.8, single nodes started fresh, over the bare stubs of `@eventstore/db-client` 6.2.1: every answer of
 * 17 conversations, positions as ranks; 24.2.0 was asked 16 more. A difference here is a server that could flatter the adapter.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { ServerVersion } from '../support/esdb-server/index.js';
import { comparable } from '../support/esdb-talks/answers.js';
import { FURTHER_CONVERSATIONS } from '../support/esdb-talks/further-talks.js';
import { Talk } from '../support/esdb-talks/talk.js';
import { CONVERSATIONS, type Conversation } from '../support/esdb-talks/talks.js';
import { closing, givenServer } from './eventstoredb-support.js';

interface Recording {
  readonly talks: Readonly<Record<string, readonly { readonly answers: unknown }[]>>;
}

/** Conversations that were held with a server of that version, each alone on a fresh one where the rest of the log shows. */
const RECORDED: readonly (readonly [ServerVersion, string, Readonly<Record<string, Conversation>>])[] = [
  ['24.2.0', 'eventstoredb-24.2.0', CONVERSATIONS],
  ['23.10.8', 'eventstoredb-23.10.8', CONVERSATIONS],
  ['24.2.0', 'eventstoredb-24.2.0-further', FURTHER_CONVERSATIONS],
];

const recordingOf = (name: string): Recording =>
  JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8'));

describe.each(RECORDED)('as EventStoreDB %s (%s)', (version, recording, conversations) => {
  const { talks } = recordingOf(recording);

  it('every conversation that was recorded is held', () => {
    expect(Object.keys(conversations).sort()).toEqual(Object.keys(talks).sort());
  });

  it.each(Object.entries(conversations))('answers the same: %s', async (name, converse) => {
    const server = await givenServer({ version });
    // Eight digits: the run is part of ids.
    const run = crypto.randomUUID().slice(0, 8);
    const address = `localhost:${server.port}`;
    const [talk, aside] = [closing(new Talk(address, run)), closing(new Talk(address, run))];
    let lateMs = 0;
    server.log.now = () => Date.now() + lateMs;

    const pass = (ms: number) => {
      lateMs += ms;
    };
    await converse(talk, { aside, pass });

    const answers = comparable(talk.exchanges) as readonly { readonly answers: unknown }[];
    expect(answers.map(exchange => exchange.answers)).toEqual(talks[name]?.map(exchange => exchange.answers));
  });
});
