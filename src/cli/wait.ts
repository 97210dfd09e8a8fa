/** `--wait <seconds>`: how long a command waits for what another session holds. */
import { InvalidArgumentError } from 'commander';

const MAX_WAIT_SECONDS = 86_400;

/** @throws InvalidArgumentError */
export function parseWait(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_WAIT_SECONDS) return Number(text);
  throw new InvalidArgumentError(`whole seconds from 0 to ${MAX_WAIT_SECONDS}`);
}
