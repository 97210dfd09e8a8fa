# The command line of connector-state: the projector beside the databases (docker-compose.yml), or the service.
#
#   docker build --tag connector-state .
#   docker run --env DATABASE_URL --env EVENT_STORE_URL connector-state doctor
#   docker run --env DATABASE_URL --publish 127.0.0.1:7077:7077 connector-state serve --host 0.0.0.0
#
# It has not been built yet: where it was written no engine runs. docs/testing.md says what was checked without one.
#
# Without the embedded PostgreSQL: DATABASE_URL must be set. Of the optional packages it has EventStoreDB's client, what
# the service and its metrics need, and the logs for people.

FROM node:20.20.2-bookworm-slim AS base
WORKDIR /app
COPY package.json package-lock.json .npmrc ./

FROM base AS build
# No scripts: `prepare` would build before the sources are here.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
COPY projections projections
RUN npm run build

FROM base AS dependencies
# Optional peers are installed by name; `*` is the version of the lock file.
RUN npm pkg set 'dependencies[@eventstore/db-client]=*' 'dependencies[@grpc/grpc-js]=*' \
    'dependencies[google-protobuf]=*' 'dependencies[pino-pretty]=*' 'dependencies[typeorm]=*' \
    'dependencies[fastify]=*' 'dependencies[fastify-type-provider-zod]=*' 'dependencies[helmet]=*' \
    'dependencies[@fastify/rate-limit]=*' 'dependencies[@fastify/swagger]=*' 'dependencies[@fastify/swagger-ui]=*' \
    'dependencies[@fastify/under-pressure]=*' 'dependencies[jose]=*' 'dependencies[prom-client]=*' \
    'dependencies[@opentelemetry/api]=*' \
  && npm pkg delete devDependencies \
  && npm install --omit=peer --ignore-scripts --no-audit --no-fund

FROM node:20.20.2-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
# The image's own user, 1000; nothing in /app is its to change.
USER node
EXPOSE 7077
# Of whichever command runs: the service answers it, and whoever runs another says how it is well (docker-compose.yml).
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "--eval", "fetch('http://127.0.0.1:7077/health/live').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/src/cli/main.js"]
CMD ["project"]
