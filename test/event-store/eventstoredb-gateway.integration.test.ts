/** The way to a shared server: runs see nothing of each other, and the product nothing of them. */
import { EventStoreDBClient, type JSONEventData, jsonEvent, streamNameFilter } from '@eventstore/db-client';
import { expect, it } from '@jest/globals';
import { openGateway } from '../support/esdb-gateway/index.js';
import { closing, givenServer } from './eventstoredb-support.js';

const someEvent = (): JSONEventData => jsonEvent({ type: 'Happened', data: {} });
const clientOf = (url: string): EventStoreDBClient => {
  const client = EventStoreDBClient.connectionString(url);
  closing({ close: () => client.dispose() });
  return client;
};

async function given() {
  const server = await givenServer({ tls: true, users: { admin: 'changeit' } });
  const open = async (prefix?: string) => {
    const url = server.url.replace('://', '://admin:changeit@');
    const gateway = await openGateway({ url, ...(prefix && { prefix }) });
    closing({ close: () => gateway.shut() });
    return clientOf(gateway.url);
  };
  return { server, open };
}

it('names every stream apart, and nobody who uses it notices', async () => {
  const { server, open } = await given();
  const [one, other] = [await open('run-1-'), await open()];

  await one.appendToStream('connector_state-a', someEvent());
  await one.setStreamMetadata('connector_state-a', { maxCount: 5 });
  await other.appendToStream('connector_state-a', someEvent(), { expectedRevision: 'no_stream' });

  expect(server.log.events.map(({ stream }) => stream)).toEqual([
    '$$$scavenges',
    'run-1-connector_state-a',
    '$$run-1-connector_state-a',
    expect.stringMatching(/^connector-state-test-\w{8}-connector_state-a$/),
  ]);
  const read: unknown[] = [];
  for await (const { event } of one.readStream('connector_state-a')) read.push(event?.streamId);
  const filter = streamNameFilter({ prefixes: ['connector_state'] });
  for await (const { event } of one.subscribeToAll({ filter })) {
    read.push(event?.streamId);
    break;
  }
  expect(read).toEqual(['connector_state-a', 'connector_state-a']);
  expect((await one.getStreamMetadata('connector_state-a')).metadata).toEqual({ maxCount: 5 });
});

it('tells failures with the names that were asked for', async () => {
  const { open } = await given();
  const client = await open('run-1-');
  await client.appendToStream('s', someEvent());

  await client.tombstoneStream('s');

  await expect(client.appendToStream('s', someEvent())).rejects.toMatchObject({
    type: 'stream-deleted',
    streamName: 's',
  });
  await expect(client.tombstoneStream('s')).rejects.toMatchObject({ streamName: 's' });
});
