/**
 * How a method of the cache is told which connector it is about: by a ref. Two ids before the other arguments are the old
 * way, which still works and is marked as deprecated where it is declared.
 */
import { type CredentialRef, parseCredentialRef, parseId } from '../events/connector.js';

export type CredentialArguments<Rest extends readonly unknown[]> =
  | readonly [ref: CredentialRef, ...rest: Rest]
  | readonly [userId: string, credentialId: string, ...rest: Rest];

/**
 * @returns the connector, and the arguments behind it
 * @throws InvalidInputError for malformed ids
 */
export function credentialOf<Rest extends readonly unknown[]>(
  given: CredentialArguments<Rest>,
): [CredentialRef, ...Rest] {
  const [first, ...rest] = given as readonly [unknown, ...unknown[]];
  if (typeof first === 'object' && first !== null) {
    return [parseCredentialRef(first as CredentialRef), ...rest] as unknown as [CredentialRef, ...Rest];
  }
  const [second, ...behind] = rest;
  const ref = { userId: parseId('userId', first), credentialId: parseId('credentialId', second) };
  return [ref, ...behind] as unknown as [CredentialRef, ...Rest];
}
