/** What of a user's `baseUrl` is accepted. An exchange's own hosts are in its profile. */
import { InvalidInputError } from '../base/errors.js';
import { parseUrl } from '../base/url.js';

/**
 * @returns without a slash at the end
 * @throws InvalidInputError for what is no http or https URL, or holds a user, query or fragment
 */
export function parseBaseUrl(value: string): string {
  const url = parseUrl(value);
  const isUsable =
    url !== undefined &&
    (url.protocol === 'https:' || url.protocol === 'http:') &&
    url.search === '' &&
    url.hash === '' &&
    url.username === '' &&
    url.password === '';
  if (!isUsable) {
    throw new InvalidInputError(
      'baseUrl must be an http or https URL without user, query or fragment, such as https://api.bybit.com',
    );
  }
  return url.href.replace(/\/+$/, '');
}

const LOOPBACK = /^(127(\.\d{1,3}){3}|\[::1\]|localhost|.+\.localhost)$/;

/**
 * @param baseUrl parsed
 * @param plainHttpHosts besides loopback, as they stand in the URL
 * @throws InvalidInputError for plain http to any other host: the API key could be read on the way
 */
export function withTls(baseUrl: string, plainHttpHosts: readonly string[] = []): string {
  const { protocol, hostname } = new URL(baseUrl);
  if (protocol === 'https:' || LOOPBACK.test(hostname) || plainHttpHosts.includes(hostname)) return baseUrl;
  throw new InvalidInputError(
    `baseUrl must be https: over plain http the API key and every signed request can be read on the way; to allow it for this host, add "${hostname}" to plainHttpHosts`,
  );
}
