/**
 * Through which proxy a request leaves, if through any.
 *
 * Exchange keys are bound to addresses, so many teams send everything through a proxy with a fixed one and say so in
 * the variables that every HTTP client reads: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, in either case.
 * Which of them holds for a URL is decided by `proxy-from-env`, as in axios; the way through is `https-proxy-agent`
 * (CONNECT, for https) or `http-proxy-agent` (for plain http). They are loaded only where a variable is set.
 */
import type { Agent } from 'node:http';
import { getProxyForUrl } from 'proxy-from-env';
import { parseUrl } from '../base/url.js';

const VARIABLES = ['https_proxy', 'http_proxy', 'all_proxy'] as const;
const AGENT_PROTOCOLS: ReadonlySet<string> = new Set(['http:', 'https:']);

/** Why a request cannot leave: the variable holds what is no proxy that we can use. Never repeats its value. */
export class UnusableProxyError extends Error {
  constructor(targetProtocol: string) {
    super(
      `the proxy that the environment names for ${targetProtocol}// requests (${VARIABLES.map(name => name.toUpperCase()).join(', ')}) is not an http:// or https:// URL`,
    );
    this.name = 'UnusableProxyError';
  }
}

/** Cheap, and true for few: whether {@link proxyFor} may find one. A blank variable is how compose files say "not set". */
export const mayUseProxy = (env: NodeJS.ProcessEnv = process.env): boolean =>
  VARIABLES.some(name => env[name]?.trim() || env[name.toUpperCase()]?.trim());

/**
 * @param url of the request
 * @param options of the agent, as for `http.Agent`
 * @returns the proxy's URL, and a maker of the agent that goes through it; undefined for a request that leaves directly
 * @throws UnusableProxyError
 */
export function proxyFor(
  url: string,
  options: { readonly keepAlive: boolean; readonly maxFreeSockets: number },
): { readonly proxy: string; readonly createAgent: () => Promise<Agent> } | undefined {
  const proxy = getProxyForUrl(url);
  if (proxy === '') return undefined;
  const target = new URL(url).protocol;
  if (!AGENT_PROTOCOLS.has(parseUrl(proxy)?.protocol ?? '')) {
    throw new UnusableProxyError(target);
  }
  const createAgent = async (): Promise<Agent> => {
    if (target === 'https:') {
      const { HttpsProxyAgent } = await import('https-proxy-agent');
      return new HttpsProxyAgent(proxy, options);
    }
    const { HttpProxyAgent } = await import('http-proxy-agent');
    return new HttpProxyAgent(proxy, options);
  };
  return { proxy, createAgent };
}
