/** The test server's cluster: it shows what a real one does when nodes freeze, lag, are cut off, die and are elected. */
import { EventStoreDBClient, type JSONEventData, jsonEvent } from '@eventstore/db-client';
import { describe, expect, it } from '@jest/globals';
import { startTestCluster, type TestCluster, type TestClusterOptions } from '../support/esdb-server/index.js';
import { closing, eventually } from './eventstoredb-support.js';

const givenCluster = async (options?: TestClusterOptions): Promise<TestCluster> =>
  closing(await startTestCluster(options));
const clientOf = (cluster: TestCluster, index: number): EventStoreDBClient => {
  const client = EventStoreDBClient.connectionString(
    `esdb://localhost:${cluster.nodes[index]?.port}?tls=false&throwOnAppendFailure=true`,
  );
  closing({ close: () => client.dispose() });
  return client;
};
const someEvent = (n = 0): JSONEventData => jsonEvent({ type: 'Happened', data: { n } });
/** Credentials of a call's own make the client leave the batch, and give it a deadline. */
const ALONE = { credentials: { username: 'admin', password: 'changeit' } };
const storedAt = (cluster: TestCluster, index: number) => cluster.logOf(index).recorded.length;

describe('the test cluster', () => {
  it('has what it acknowledged on a majority, and on the others a little later', async () => {
    const cluster = await givenCluster();
    const client = clientOf(cluster, 0);

    await client.appendToStream('s', someEvent());

    expect(storedAt(cluster, 1)).toBe(1);
    await eventually(() => storedAt(cluster, 2) === 1);
    expect(cluster.logOf(2).events).toEqual(cluster.logOf(0).events);
  });

  it('elects a node that knows everything acknowledged', async () => {
    const cluster = await givenCluster({ electionMs: 1 });
    cluster.lag(2);
    await clientOf(cluster, 0).appendToStream('s', someEvent());
    expect(storedAt(cluster, 2)).toBe(0);

    cluster.kill(0);
    await eventually(() => cluster.leader === 1);
    cluster.catchUp(2);

    await clientOf(cluster, 1).appendToStream('s', someEvent());
    await cluster.revive(0);
    await eventually(() => [0, 1, 2].every(index => storedAt(cluster, index) === 2));
  });

  it('answers Timeout without a majority, and what it did not acknowledge is nowhere', async () => {
    const cluster = await givenCluster();
    cluster.kill(1);
    cluster.kill(2);

    await expect(clientOf(cluster, 0).appendToStream('s', someEvent())).rejects.toMatchObject({
      type: 'deadline-exceeded',
    });

    await cluster.revive(1);
    expect([0, 1, 2].map(index => storedAt(cluster, index))).toEqual([0, 0, 0]);
  });

  it('is silent where it is frozen, and says who leads when it thaws', async () => {
    const cluster = await givenCluster({ electionMs: 1 });
    const client = clientOf(cluster, 0);
    await client.appendToStream('s', someEvent(), ALONE);
    cluster.freeze(0);
    await eventually(() => cluster.leader !== 0);

    await expect(client.appendToStream('s', someEvent(), { ...ALONE, deadline: 300 })).rejects.toMatchObject({
      type: 'deadline-exceeded',
    });
    cluster.thaw(0);

    const request = { ...ALONE, requiresLeader: true };
    await expect(client.appendToStream('s', someEvent(), request)).rejects.toMatchObject({
      type: 'not-leader',
    });
  });

  it('leads nobody where it is cut off from the others', async () => {
    const cluster = await givenCluster();
    cluster.isolate(0);

    await expect(clientOf(cluster, 0).appendToStream('s', someEvent())).rejects.toMatchObject({
      type: 'deadline-exceeded',
    });

    cluster.elect(1);
    await clientOf(cluster, 1).appendToStream('s', someEvent());
    expect(storedAt(cluster, 0)).toBe(0);
    cluster.rejoin(0);
    expect(storedAt(cluster, 0)).toBe(1);
  });

  it('is what its backup was once that is restored', async () => {
    const cluster = await givenCluster();
    await clientOf(cluster, 0).appendToStream('s', someEvent(1));
    const backup = cluster.log.backup();
    await clientOf(cluster, 0).appendToStream('s', someEvent(2));

    await cluster.restore(backup);

    expect([0, 1, 2].map(index => storedAt(cluster, index))).toEqual([1, 1, 1]);
  });
});
