/**
 * The test server held to what real servers answered. `test/fixtures/eventstoredb-*.json` were recorded from EventStoreDB
 * 24.2.0 and 23.10.8, single nodes started fresh, over the bare stubs of `@eventstore/db-client` 6.2.1: every answer of
 * 17 conversations, positions as ranks. A difference here is a server that could flatter the adapter.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { ServerVersion } from '../support/esdb-server/index.js';
import { comparable } from '../support/esdb-talks/answers.js';
import { Talk } from '../support/esdb-talks/talk.js';
import { CONVERSATIONS } from '../support/esdb-talks/talks.js';
import { closing, givenServer } from './eventstoredb-support.js';

interface Recording {
  readonly talks: Readonly<Record<string, readonly { readonly answers: unknown }[]>>;
}

const recordingOf = (version: ServerVersion): Recording =>
  JSON.parse(readFileSync(new URL(`../fixtures/eventstoredb-${version}.json`, import.meta.url), 'utf8'));

describe.each<ServerVersion>(['24.2.0', '23.10.8'])('as EventStoreDB %s', version => {
  const { talks } = recordingOf(version);

  it('every conversation that was recorded is held', () => {
    expect(Object.keys(CONVERSATIONS)).toEqual(Object.keys(talks));
  });

  it.each(Object.entries(CONVERSATIONS))('answers the same: %s', async (name, converse) => {
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
