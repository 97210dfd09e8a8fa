/** URLs from outside, parsed without an exception. */

/**
 * Not by `URL.canParse`: once Node 20 has optimised it, it refuses what holds Latin-1 letters, such as a host's umlaut or
 * a password's.
 * @returns undefined for what is no URL
 */
export function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
