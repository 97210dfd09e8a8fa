/**
 * The ways by which requests leave: directly, through a proxy that the environment names, or by the user's own agent.
 *
 * A direct way can have its connection opened ahead (early-connection.ts). Through a proxy nothing is begun ahead, and
 * an agent that the user brought is used as it is, and never closed by us: it may serve others.
 */
import http, { type Agent } from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { type Clocks, watchConnectionAge } from './connection-age.js';
import { withEarlyConnection } from './early-connection.js';
import { mayUseProxy, proxyFor } from './proxy.js';

const AGENT_OPTIONS = { keepAlive: true, maxFreeSockets: 4 };

export interface Route {
  readonly request: typeof http.request;
  readonly agent: Agent;
  /** It leads through a proxy that the environment names. */
  readonly isProxied: boolean;
  /** Emitted by a new socket when bytes written to it would go out. */
  readonly readyEvent: 'connect' | 'secureConnect';
  /** Opens a connection for a request that is about to follow, where that can be done. */
  openEarly(url: URL): void;
  /** Whether bytes written to an early connection now would go out now. */
  isReady(socket: Duplex): boolean;
  /** How long a connection lay idle before it was taken, milliseconds; ∞ for one that never did. */
  idleMs(socket: Duplex): number;
  /** Ends the connections that may have died while nobody used them. */
  dropStale(): void;
  dropIdle(): void;
  close(): void;
}

export interface Routes {
  /** A promise where the way is still being made, through a proxy. @throws UnusableProxyError */
  for(url: string): Route | Promise<Route>;
  dropIdle(): void;
  close(): void;
}

export interface RouteOptions extends Clocks {
  /** In place of a network connection. */
  readonly connect?: () => Duplex;
  /** The user's, in place of ours and of any proxy. */
  readonly agent?: Agent | undefined;
}

export function createRoutes({ connect, agent: own, ...clocks }: RouteOptions): Routes {
  const routes = new Map<string, Route | Promise<Route>>();
  const opened: Route[] = [];
  const remember = (route: Route) => {
    opened.push(route);
    return route;
  };

  function direct(protocol: string): Route {
    const agent = protocol === 'https:' ? new https.Agent(AGENT_OPTIONS) : new http.Agent(AGENT_OPTIONS);
    if (connect) agent.createConnection = connect;
    return withEarly(routeOver(protocol, agent, clocks));
  }

  function wayTo(url: string): Route | Promise<Route> {
    const { protocol } = new URL(url);
    const through = own || connect || !mayUseProxy() ? undefined : proxyFor(url, AGENT_OPTIONS);
    const key = `${protocol} ${through?.proxy ?? ''}`;
    const known = routes.get(key);
    if (known) return known;
    const made = through
      ? through
          .createAgent()
          .then(agent => remember({ ...routeOver(protocol, agent, clocks), isProxied: true }))
      : remember(own ? { ...routeOver(protocol, own, clocks), close: () => undefined } : direct(protocol));
    routes.set(key, made);
    return made;
  }

  return {
    for: wayTo,
    dropIdle() {
      for (const route of opened) route.dropIdle();
    },
    close() {
      for (const route of opened) route.close();
    },
  };
}

function routeOver(protocol: string, agent: Agent, clocks: Clocks): Route {
  const age = watchConnectionAge(agent, clocks);
  const isTls = protocol === 'https:';
  return {
    request: isTls ? https.request : http.request,
    readyEvent: isTls ? 'secureConnect' : 'connect',
    agent,
    isProxied: false,
    openEarly: () => undefined,
    isReady: () => false,
    idleMs: age.idleMs,
    dropStale: () => void age.dropStale(),
    dropIdle: age.dropIdle,
    close: () => agent.destroy(),
  };
}

function withEarly(route: Route): Route {
  const early = withEarlyConnection(route.agent, route.readyEvent);
  return {
    ...route,
    openEarly(url) {
      route.dropStale();
      early.open(url);
    },
    isReady: early.isReady as (socket: Duplex) => boolean,
    dropIdle() {
      route.dropIdle();
      early.close();
    },
    close() {
      early.close();
      route.close();
    },
  };
}
