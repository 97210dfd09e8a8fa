/** Every subject of the API; each is a Fastify plugin with routes that say who may use them. */
import type { FastifyPluginAsync } from 'fastify';
import { clockRoutes } from './clock.js';
import { historyRoutes } from './history.js';
import { recordingRoutes } from './recording.js';
import { stateRoutes } from './state.js';

export const routes: readonly FastifyPluginAsync[] = [
  stateRoutes,
  clockRoutes,
  recordingRoutes,
  historyRoutes,
];
