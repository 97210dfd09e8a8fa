# The command line of connector-state, to run the projector beside the databases (docker-compose.yml).
#
#   docker build --tag connector-state .
#   docker run --env DATABASE_URL --env EVENT_STORE_URL connector-state doctor
#
# Without the embedded PostgreSQL: DATABASE_URL must be set. Of the optional packages it has EventStoreDB's client and the
# logs for people.

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
    'dependencies[google-protobuf]=*' 'dependencies[pino-pretty]=*' \
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
ENTRYPOINT ["node", "dist/src/cli/main.js"]
CMD ["project"]
