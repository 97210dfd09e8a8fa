import { it } from '@jest/globals';

/**
 * `it` where the condition holds; elsewhere the test is skipped, and its name says why.
 *
 * @example itWhen(isRoot, 'needs root')('runs as another user', async () => { … })
 */
export function itWhen(
  condition: boolean,
  reason: string,
): (name: string, body: () => Promise<void>) => void {
  return (name, body) => (condition ? it(name, body) : it.skip(`${name} [skipped: ${reason}]`, body));
}
