/**
 * A released migration is never changed: databases have it already, and would differ for good from those made after.
 * Held by a digest of the statements it sends. What is not released yet is not listed, and comes after all that is.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { QueryRunner } from 'typeorm';
import { migrations } from '../../src/read-model/migrations/index.js';

const RELEASED: Readonly<Record<string, string>> = {
  // 0.1.0
  EventStore1764000000001: 'a20ebb397d42ccf50f9c7fa94db92417',
  ReadTables1764000000002: '508cc2e574eebba83833d567e4cea515',
  Outbox1764000000003: 'e7f104b933595284cf03fd4ac33de601',
  ClockDrift1764000000004: 'af56d442071a5627e7e490700de5e74d',
  DriftHistory1764000000005: 'b1c784dd165d6ad3ee97f93db3802df0',
  ShadowOutcome1764000000006: '0077922e74855837d04dbc15be6e1f47',
  StaleHits1764000000007: '131c7312c8437f1f852fcb4d135e8a66',
};

async function digestOf(index: number): Promise<string> {
  const statements: string[] = [];
  const runner = {
    query: async (text: string, values: unknown[] = []) => {
      statements.push(text, ...values.map(String));
      return [];
    },
  };
  const Migration = migrations[index] as (typeof migrations)[number];
  await new Migration().up(runner as unknown as QueryRunner);
  return createHash('sha256').update(statements.join('\n')).digest('hex').slice(0, 32);
}

const names = migrations.map(Migration => new Migration().name as string);

describe('released migrations', () => {
  it('are as they were released', async () => {
    const found: Record<string, string> = {};
    for (const [index, name] of names.entries()) if (name in RELEASED) found[name] = await digestOf(index);
    expect(found).toEqual(RELEASED);
  });

  it('come before all others', () => {
    const released = Object.keys(RELEASED);
    expect(names.slice(0, released.length)).toEqual(released);
  });
});
