/** What the terminal can show. */

type Environment = Readonly<Record<string, string | undefined>>;

/** By the locale, in the order in which POSIX looks at it. Windows' consoles have spoken UTF-8 for years and set none. */
export function speaksUtf8(env: Environment, platform: NodeJS.Platform): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return /utf-?8/i.test(locale) || (platform === 'win32' && locale === '');
}

const DEFAULT_WIDTH = 80;
/** A line of text longer than this is no picture any more. */
const MAX_WIDTH = 160;

/** @param columns the terminal's; `undefined` where stdout is none */
export function widthOf(columns: number | undefined, env: Environment): number {
  const wanted = columns ?? Number(env.COLUMNS);
  return Math.min(MAX_WIDTH, wanted > 0 ? wanted : DEFAULT_WIDTH);
}
