/**
 * The arrows of the architecture, held in CI: who may import whom.
 *
 *   http, cli → services → connectors → cache → event-store, read-model → events, clock
 *                          connectors → exchanges → events, clock
 *                          projector → projections, event-store, read-model
 *                          shared-tier → read-model, and cache → shared-tier
 *                          projections → events, clock
 *
 * `src/postgres` (driver, pools, embedded server) is infrastructure below the stores. `src/base` (errors, logging
 * and the like) is below everything. `src/composition` and the package's entry points put the parts together, above
 * the cache and below the services and the ways in.
 *
 * TypeScript 7 has no compiler API for dependency-cruiser to use, so SWC parses. It does not tell `import type`
 * from `import`, which is right here: types follow the arrows too, for a type is knowledge of the other part.
 * What is loaded when, is another question, asked of the compiled code in .dependency-cruiser.loading.cjs.
 */

/** Rule: what is under `from` may import, of our own modules, only what matches one of `to`. */
function arrows(name, comment, from, to) {
  return {
    name,
    comment,
    severity: 'error',
    from: { path: from },
    to: { path: '^(src|projections)/', pathNot: [from, ...to] },
  };
}

const EVENTS = '^src/events/';
const CLOCK = '^src/clock/';
/** Errors, and how their messages show a value. */
const ERRORS = '^src/base/(errors|shown|visible)\\.ts$';
const BASE = '^src/base/';
const POSTGRES = '^src/postgres/';
const PROJECTIONS = '^projections/';
const EVENT_STORE = '^src/event-store/';
const FEED = '^src/feed/';
const TELEMETRY = '^src/telemetry/';
const READ_MODEL = '^src/read-model/';
const PROJECTOR = '^src/projector/';
const SHARED_TIER = '^src/shared-tier/';
const CACHE = '^src/cache/';
const EXCHANGES = '^src/exchanges/';
const CONNECTORS = '^src/connectors/';
const SERVICES = '^src/services/';
const CLI = '^src/cli/';
/** Measures all of it, from outside. */
const BENCH = '^bench/';
const HTTP = '^src/http/';
const EDGE = '^src/edge/';
const FORECAST = '^src/forecast/';
/** Numbers that a seed repeats. */
const RANDOM = '^src/exchanges/simulator/random\\.ts$';
const DASHBOARD = '^src/dashboard/';
/** TSX, which dependency-cruiser's SWC parser cannot read: Vite bundles it for browsers, and no module of Node's loads it. */
const PAGES = '^src/dashboard/app/';
const TESTING = '^src/testing/';
const ASSEMBLY = '^src/composition/';
const NEXT = '^src/next/';
const ENTRY = '^src/(index|bybit|bingx|ccxt|typeorm)\\.ts$';
const PORT_OF_EVENT_STORE = '^src/event-store/(event-store|log-changed-error)\\.ts$';

const TYPEORM_HOME = '^src/read-model/migrate\\.ts$|^src/read-model/(entities|migrations)/';

module.exports = {
  forbidden: [
    arrows(
      'arrows-of-errors',
      'errors and what shows a value in their messages are below everything',
      ERRORS,
      [],
    ),
    arrows('arrows-of-base', 'what everything uses stands on errors alone', BASE, [ERRORS]),
    arrows('arrows-of-events', 'events know of nothing but events', EVENTS, [ERRORS]),
    arrows('arrows-of-clock', 'clock arithmetic knows of nothing but itself', CLOCK, [ERRORS]),
    arrows('arrows-of-projections', 'projections → events, clock', PROJECTIONS, [EVENTS, CLOCK, ERRORS]),
    arrows('arrows-of-postgres', 'infrastructure knows nothing of the domain', POSTGRES, [BASE]),
    arrows('arrows-of-event-store', 'event-store → events', EVENT_STORE, [EVENTS, CLOCK, POSTGRES, BASE]),
    arrows('arrows-of-read-model', 'read-model → events, clock', READ_MODEL, [EVENTS, CLOCK, POSTGRES, BASE]),
    arrows('arrows-of-shared-tier', 'shared-tier → read-model → events, clock', SHARED_TIER, [
      READ_MODEL,
      EVENTS,
      CLOCK,
      BASE,
    ]),
    arrows('arrows-of-projector', 'projector → projections, the event store’s port, read-model', PROJECTOR, [
      PROJECTIONS,
      PORT_OF_EVENT_STORE,
      READ_MODEL,
      EVENTS,
      CLOCK,
      POSTGRES,
      BASE,
    ]),
    arrows('arrows-of-telemetry', 'figures know of nothing but figures', TELEMETRY, [BASE]),
    arrows('arrows-of-feed', 'feed → the event store’s port', FEED, [PORT_OF_EVENT_STORE, EVENTS, BASE]),
    arrows(
      'arrows-of-cache',
      'cache → the event store’s port, read-model; stateAt folds with the very projection that wrote the row',
      CACHE,
      [PORT_OF_EVENT_STORE, READ_MODEL, SHARED_TIER, PROJECTIONS, EVENTS, CLOCK, POSTGRES, BASE],
    ),
    arrows('arrows-of-exchanges', 'exchanges → events, clock', EXCHANGES, [EVENTS, CLOCK, BASE]),
    arrows(
      'arrows-of-forecast',
      'forecasts look at events, through the event store’s port, and at the read tables',
      FORECAST,
      [PORT_OF_EVENT_STORE, READ_MODEL, EVENTS, CLOCK, POSTGRES, BASE, RANDOM],
    ),
    arrows('arrows-of-edge', 'edge → exchanges, clock: what runs without Node', EDGE, [
      EXCHANGES,
      CLOCK,
      BASE,
    ]),
    arrows('arrows-of-connectors', 'connectors → cache, exchanges', CONNECTORS, [
      CACHE,
      EXCHANGES,
      EVENTS,
      CLOCK,
      BASE,
    ]),
    arrows(
      'arrows-of-testing',
      'the kit for users’ tests: the cache over facts in memory, and simulated exchanges',
      TESTING,
      [CACHE, PROJECTIONS, PORT_OF_EVENT_STORE, READ_MODEL, EXCHANGES, EVENTS, CLOCK, BASE],
    ),
    arrows('arrows-of-services', 'services → connectors → …', SERVICES, [
      CONNECTORS,
      CACHE,
      READ_MODEL,
      POSTGRES,
      EXCHANGES,
      EVENTS,
      CLOCK,
      BASE,
    ]),
    arrows(
      'arrows-of-assembly',
      'the parts are put together below the connectors, services and ways in',
      ASSEMBLY,
      [
        FORECAST,
        CACHE,
        EVENT_STORE,
        FEED,
        TELEMETRY,
        PROJECTOR,
        PROJECTIONS,
        READ_MODEL,
        SHARED_TIER,
        POSTGRES,
        EVENTS,
        CLOCK,
        BASE,
      ],
    ),
    arrows('arrows-of-entries', 'the package’s entry points open everything but the ways in', ENTRY, [
      ASSEMBLY,
      CONNECTORS,
      EXCHANGES,
      SERVICES,
      CACHE,
      EVENT_STORE,
      FEED,
      FORECAST,
      READ_MODEL,
      EVENTS,
      CLOCK,
      BASE,
    ]),
    arrows(
      'arrows-of-client',
      'who calls the service from a page or an edge needs nothing of it',
      '^src/client/',
      [],
    ),
    {
      name: 'the-client-runs-anywhere',
      comment: 'browsers and workers have no built-in modules of Node',
      severity: 'error',
      from: { path: '^src/client/' },
      to: { dependencyTypes: ['core'] },
    },
    arrows(
      'arrows-of-http',
      'the service puts a door before what is there; the command line starts it, and it knows nothing of that',
      HTTP,
      [
        ASSEMBLY,
        CONNECTORS,
        SERVICES,
        FORECAST,
        CACHE,
        PROJECTOR,
        PROJECTIONS,
        READ_MODEL,
        EVENT_STORE,
        FEED,
        TELEMETRY,
        EXCHANGES,
        POSTGRES,
        EVENTS,
        CLOCK,
        BASE,
        DASHBOARD,
      ],
    ),
    arrows('arrows-of-next', 'what a Next.js app needs stands above the composition', NEXT, [ASSEMBLY, BASE]),
    arrows('arrows-of-dashboard', 'the pages ask the API; here they are only handed out', DASHBOARD, [BASE]),
    {
      name: 'nobody-imports-the-ways-in',
      comment: 'cli and http are the outermost layer',
      severity: 'error',
      from: { pathNot: ['^src/(cli|http)/', BENCH] },
      to: { path: '^src/(cli|http)/' },
    },
    {
      name: 'nobody-imports-the-entries',
      comment: 'an entry point loads what it opens: inside, import the module itself',
      severity: 'error',
      from: { pathNot: [CLI, BENCH] },
      to: { path: ENTRY },
    },
    {
      name: 'no-circles',
      comment: 'a circle of types alone loads nothing, but is a circle of knowledge all the same',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'a module that nobody imports is forgotten code',
      severity: 'error',
      // The pages use it: see PAGES.
      from: { orphan: true, pathNot: '^src/clock/stability\\.ts$' },
      to: {},
    },
    {
      name: 'nothing-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-dependency-in-the-package',
      comment: 'what the package loads must be installed with it',
      severity: 'error',
      from: { path: '^(src|projections)/' },
      // An optional peer is a development dependency too, so that a clone has it.
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['npm-peer'] },
    },
    {
      name: 'pure-parts-do-no-io',
      comment: 'projections, events and clock are arithmetic: no built-in module, no package that does I/O',
      severity: 'error',
      from: { path: [PROJECTIONS, EVENTS, CLOCK], pathNot: '^src/clock/host-clock\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'the-host-clock-asks-only-for-its-host',
      severity: 'error',
      from: { path: '^src/clock/host-clock\\.ts$' },
      to: { dependencyTypes: ['core'], pathNot: '^os$' },
    },
    {
      name: 'pure-parts-load-only-pure-packages',
      comment: 'schemas (zod) and ids (uuid) are the only packages below the stores',
      severity: 'error',
      from: { path: [PROJECTIONS, EVENTS, CLOCK] },
      to: { dependencyTypes: ['npm', 'npm-optional', 'npm-peer'], pathNot: 'node_modules/(zod|uuid)/' },
    },
    {
      name: 'typeorm-stays-home',
      comment: 'loading TypeORM costs 140 ms: migrations and entities only, behind a dynamic import',
      severity: 'error',
      from: { pathNot: TYPEORM_HOME },
      to: { path: 'node_modules/typeorm/' },
    },
    {
      name: 'bybit-sdk-stays-home',
      severity: 'error',
      from: { pathNot: ['^src/exchanges/bybit/', BENCH] },
      to: { path: 'node_modules/bybit-api/' },
    },
    {
      name: 'bingx-sdk-stays-home',
      severity: 'error',
      from: { pathNot: '^src/exchanges/bingx/' },
      to: { path: 'node_modules/bingx-api/' },
    },
    {
      name: 'exchanges-do-not-know-each-other',
      severity: 'error',
      from: { path: '^src/exchanges/(bybit|bingx)/' },
      to: { path: '^src/exchanges/(bybit|bingx|simulator)/', pathNot: '^src/exchanges/$1/' },
    },
  ],
  options: {
    parser: 'swc',
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    // Followed to the edge of node_modules and no further: what packages load is theirs.
    doNotFollow: { path: 'node_modules' },
    exclude: { path: [PAGES, '^src/dashboard/vite\\.config\\.ts$'] },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      mainFields: ['module', 'main', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json', '.d.ts'],
    },
  },
};
