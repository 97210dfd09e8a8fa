/** Spans of a real init, its facts' append and their projection, in the exporter of OpenTelemetry's own SDK. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { silentLogger } from '../../src/base/logging.js';
import { Telemetry } from '../../src/base/telemetry.js';
import { createPostgresEventStore } from '../../src/event-store/postgres/index.js';
import { createPool } from '../../src/postgres/pool.js';
import { createProjector } from '../../src/projector/projector.js';
import { ACCOUNT, givenWorld } from '../support/world.js';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracer = provider.getTracer('test');
const contexts = new AsyncLocalStorageContextManager().enable();
beforeAll(() => {
  context.setGlobalContextManager(contexts);
});
afterAll(async () => {
  await provider.shutdown();
  context.disable();
});
beforeEach(() => exporter.reset());

const spans = (name: string): ReadableSpan[] =>
  exporter.getFinishedSpans().filter(span => span.name === `connector_state.${name}`);
const idOf = (span: ReadableSpan | undefined) => span?.spanContext().spanId;

describe('traces', () => {
  it('of an init hold its lookup and its sync, and are found again by append and projection', async () => {
    const world = await givenWorld();
    const process = await world.process({ tracer });
    await tracer.startActiveSpan('request', async request => {
      await world.connector(process, 'BYBIT').initialize();
      request.end();
    });
    await process.flush();

    const [request] = exporter.getFinishedSpans().filter(({ name }) => name === 'request');
    const [init] = spans('init');
    expect(init?.parentSpanContext?.spanId).toBe(idOf(request));
    expect(init?.attributes).toMatchObject({
      'connector_state.exchange': 'BYBIT',
      'connector_state.contact': 'sync',
      'connector_state.outcome': 'miss',
    });
    expect(spans('lookup')[0]?.parentSpanContext?.spanId).toBe(idOf(init));
    expect(spans('lookup')[0]?.attributes).toMatchObject({ 'connector_state.outcome': 'absent' });
    expect(spans('sync')[0]?.parentSpanContext?.spanId).toBe(idOf(init));
    for (const name of ['append', 'project']) {
      const span = spans(name).at(-1);
      expect(span?.parentSpanContext).toBeUndefined();
      expect(span?.links.map(link => link.context.spanId)).toEqual([idOf(init)]);
      expect(span?.attributes['connector_state.events']).toBeGreaterThan(0);
    }
    const [fact] = await process.cache.history('user123', 'cred456');
    const { traceId } = init?.spanContext() ?? {};
    expect(fact?.correlationId).toBe(`00-${traceId}-${idOf(init)}-01`);
  });

  it('reach a worker through the log: its batches link to the inits that they are of', async () => {
    const world = await givenWorld();
    const process = await world.process({ tracer, projection: 'worker' });
    await world.connector(process, 'BYBIT').initialize();
    await world.connector(process, 'BINGX').initialize();
    await process.flush();
    expect(spans('project')).toEqual([]);

    const pool = createPool({ connectionString: world.databaseUrl, max: 2, log: silentLogger });
    const store = createPostgresEventStore({ pool });
    // More than a page, so they are written together.
    await createProjector({ store, pool, telemetry: new Telemetry(tracer), pageSize: 1 }).catchUp();
    const linked = spans('project').flatMap(({ links }) => links.map(link => link.context.spanId));
    expect(linked).toEqual(expect.arrayContaining(spans('init').map(idOf)));
    expect(spans('init')).toHaveLength(2);
    await store.close();
    await pool.end();
  });

  it('mark what failed by its code, and hold no secret and no message', async () => {
    const world = await givenWorld();
    const process = await world.process({ tracer });
    const credentials = { apiKey: ACCOUNT.apiKey, apiSecret: 'canarySecret1' };
    await expect(world.connector(process, 'BINGX', { credentials }).initialize()).rejects.toThrow();
    const [init] = spans('init');
    expect(init?.status).toEqual({ code: 2, message: 'EXCHANGE_REFUSED' });
    const everything = JSON.stringify(
      exporter
        .getFinishedSpans()
        .map(({ name, attributes, status, events }) => ({ name, attributes, status, events })),
    );
    expect(everything).not.toContain('canarySecret1');
    expect(everything).not.toContain(ACCOUNT.apiKey);
    expect(everything).not.toContain('user123');
  });

  it('are not there without a tracer, and correlation ids are then as they were', async () => {
    const world = await givenWorld();
    const process = await world.process();
    await world.connector(process, 'BYBIT').initialize();
    const [fact] = await process.cache.history('user123', 'cred456');
    expect(fact?.correlationId).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    expect(exporter.getFinishedSpans()).toEqual([]);
    expect(trace.getActiveSpan()).toBeUndefined();
  });
});
