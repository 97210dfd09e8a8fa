/**
 * Takes credentials out of text that an exchange wrote.
 *
 * Exchanges quote requests back: Bybit's 10004 repeats the whole string that was signed, with the API key in
 * it. So the exchange's message is the one foreign text that an error of ours carries, and it passes through
 * here first. SDK errors never do: they hold the secret itself, and nothing of them is kept (see failures.ts).
 */

const MAX_MESSAGE_LENGTH = 300;
/** What is read of a message. A page of megabytes took seconds, in which the process did nothing else. */
const MAX_READ_LENGTH = 16_384;
const REDACTED = '[redacted]';

/** From the word on, everything is a quotation of the signed request: brackets in it do not delimit it. */
const QUOTED_REQUEST = /\b(origin_?string|params_?to_?sign|string_?to_?sign)\b.*$/is;
/** An HMAC-SHA256 in hex or in base64. */
const SIGNATURE = /\b[0-9a-f]{64}\b|[A-Za-z0-9+/]{43}=/gi;
/** What a terminal acts on, and what makes a line read as what it is not: bidirectional marks, line separators. */
const CONTROL_CHARACTERS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu;

export type Redactor = (text: string) => string;

/** @param secrets every string that must not survive, in any of the spellings a URL or JSON gives it */
export function createRedactor(secrets: readonly string[]): Redactor {
  // Longest first: a secret that contains another must go before its middle is replaced.
  const spellings = [...new Set(secrets.flatMap(spellingsOf))]
    .filter(spelling => spelling.length > 0)
    .sort((a, b) => b.length - a.length);
  return text => {
    let safe = text.length > MAX_READ_LENGTH ? beginningOf(text, spellings) : text;
    for (const spelling of spellings) safe = safe.replaceAll(spelling, REDACTED);
    safe = safe
      .replace(QUOTED_REQUEST, `$1${REDACTED}`)
      .replace(SIGNATURE, REDACTED)
      .replace(CONTROL_CHARACTERS, ' ')
      .trim();
    return safe.length > MAX_MESSAGE_LENGTH ? `${safe.slice(0, MAX_MESSAGE_LENGTH)}…` : safe;
  };
}

/** Ends before a secret that the cut would halve, for half of one is not recognised. */
function beginningOf(text: string, spellings: readonly string[]): string {
  const longest = spellings[0]?.length ?? 0;
  for (let from = Math.max(0, MAX_READ_LENGTH - longest); from < MAX_READ_LENGTH; from++) {
    const rest = text.slice(from, MAX_READ_LENGTH);
    if (spellings.some(spelling => spelling.startsWith(rest))) return text.slice(0, from);
  }
  return text.slice(0, MAX_READ_LENGTH);
}

function spellingsOf(secret: string): string[] {
  return [
    secret,
    encodeURIComponent(secret),
    new URLSearchParams({ s: secret }).toString().slice(2),
    JSON.stringify(secret).slice(1, -1),
    Buffer.from(secret).toString('base64'),
    Buffer.from(secret).toString('hex'),
  ];
}
