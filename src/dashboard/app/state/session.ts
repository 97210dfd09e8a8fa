/**
 * Who is asking. The key lives in this module's memory and nowhere else: not in an address, not in storage (browsers
 * write even the tab's storage to disk and bring it back with the tab), not in a cookie, which other sites could make
 * the browser send. Reloading forgets it; the form is one that password managers fill in. Decision 53.
 */
import { signal } from '@preact/signals';

const key = signal<string | undefined>(undefined);

/** Grows with each change of who asks: what was loaded for another is loaded again. */
export const sessionNumber = signal(0);

export const isSignedIn = () => key.value !== undefined;

export function signIn(newKey: string): void {
  key.value = newKey;
  sessionNumber.value += 1;
}

export function signOut(): void {
  if (key.value === undefined) return;
  key.value = undefined;
  sessionNumber.value += 1;
}

/** For requests to the own origin only. */
export const authorization = (): Record<string, string> =>
  key.value === undefined ? {} : { authorization: `Bearer ${key.value}` };
