/** Every subject of the API; each is a Fastify plugin with routes that say who may use them. */
import type { FastifyPluginAsync } from 'fastify';
import { analyticsRoutes } from './analytics.js';
import { clockRoutes } from './clock.js';
import { clockLineRoutes } from './clock-lines.js';
import { connectorRoutes } from './connectors.js';
import { feedRoutes } from './feed.js';
import { forecastRoutes } from './forecast.js';
import { healthRoutes } from './health.js';
import { historyRoutes } from './history.js';
import { meRoutes } from './me.js';
import { notableRoutes } from './notable.js';
import { operationRoutes } from './operations.js';
import { overviewRoutes } from './overview.js';
import { recordingRoutes } from './recording.js';
import { sampleRoutes } from './samples.js';
import { stateRoutes } from './state.js';
import { warmUpRoutes } from './warm-up.js';

export const routes: readonly FastifyPluginAsync[] = [
  stateRoutes,
  clockRoutes,
  warmUpRoutes,
  recordingRoutes,
  historyRoutes,
  connectorRoutes,
  analyticsRoutes,
  clockLineRoutes,
  sampleRoutes,
  notableRoutes,
  overviewRoutes,
  forecastRoutes,
  meRoutes,
  operationRoutes,
  feedRoutes,
  healthRoutes,
];
