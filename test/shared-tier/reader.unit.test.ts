/** What answers for Redis may be a proxy that cuts answers short: no byte is read that is not there. */
import { describe, expect, it } from '@jest/globals';
import { KnownConnectors } from '../../src/cache/known-connector.js';
import { createKeys } from '../../src/shared-tier/keys.js';
import { find } from '../../src/shared-tier/reader.js';

const REF = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;

describe('an answer of Redis', () => {
  const answered = (lengths: readonly number[], bytes: number) => {
    const packed = Buffer.alloc(lengths.length * 2);
    for (const [i, length] of lengths.entries()) packed.writeUInt16BE(length, i * 2);
    const [seconds, micros, none] = ['1764000000', '0', ''].map(text => Buffer.from(text));
    const reply = [seconds, micros, Buffer.from('run'), none, packed, Buffer.alloc(bytes), none];
    const parts = {
      connections: { run: async () => reply },
      keys: createKeys('cs', false),
      now: () => 1_764_000_000_000,
      wall: () => 1_764_000_000_000,
      known: () => undefined,
      ticketLifeMs: 1_000,
    };
    return find(parts, [new KnownConnectors().know(REF)]);
  };

  it.each([
    ['fewer bytes than its lengths say', [60, 400], 459],
    ['more', [60, 65_535], 61],
    ['too few lengths', [60], 60],
  ])('is refused with %s', async (_, lengths, bytes) => {
    await expect(answered(lengths, bytes)).rejects.toThrow('answered something else');
  });

  it('is a miss where nothing stands', async () => {
    expect(await answered([65_534, 65_535], 0)).toMatchObject([{ answer: undefined, reason: 'no-link' }]);
  });
});
