/** What answers for Redis may be a proxy that cuts answers short: no byte is read that is not there. */
import { describe, expect, it } from '@jest/globals';
import { KnownConnectors } from '../../src/cache/known-connector.js';
import { createKeys } from '../../src/shared-tier/keys.js';
import { find } from '../../src/shared-tier/reader.js';

const REF = { userId: 'u', credentialId: 'c', exchange: 'BYBIT', environment: 'MAINNET' } as const;

describe('an answer of Redis', () => {
  /** Of three keys: the link, the shared clock, the state. */
  const answered = (...packed: readonly (number | Buffer)[]) => {
    const bytes = Buffer.concat(packed.map(each => (Buffer.isBuffer(each) ? each : Buffer.of(each))));
    const reply = [Buffer.from('1764000000 0 run'), bytes, Buffer.alloc(0)];
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

  const bytes = Buffer.alloc;
  it.each([
    ['nothing', []],
    ['fewer bytes than its lengths say', [0x93, 0xc2, 0xd9, 60, bytes(60), 0xda, 1, 144, bytes(399)]],
    ['more', [0x93, 0xc2, 0xd9, 60, bytes(61), 0xc2]],
    ['a length that is cut short', [0x93, 0xc2, 0xc2, 0xda, 1]],
    ['an array that is cut short', [0xdc, 0]],
    ['too few values', [0x92, 0xc2, 0xc2]],
    ['too many', [0xdc, 0, 4, 0xc2, 0xc2, 0xc2, 0xc2]],
    ['a number among them', [0x93, 0xc2, 7, 0xc2]],
    ['a text that is too long for its place', [0x93, 0xc2, 0xc2, 0xdb, 0, 0, 0, 1, 65]],
  ])('is refused with %s', async (_, packed) => {
    await expect(answered(...packed)).rejects.toThrow('answered something else');
  });

  it.each([
    ['nothing', 0xc2],
    ['but a ticket', 0xc3],
  ])('is a miss where nothing stands (%s)', async (_, what) => {
    expect(await answered(0x93, 0xc2, what, what)).toMatchObject([{ answer: undefined, reason: 'no-link' }]);
  });

  it('is taken apart however long its values are', async () => {
    const packed = [0xdc, 0, 3, 0xa3, bytes(3), 0xd9, 60, bytes(60), 0xda, 1, 144, bytes(400)];
    expect(await answered(...packed)).toMatchObject([{ answer: undefined, reason: 'corrupt' }]);
  });
});
