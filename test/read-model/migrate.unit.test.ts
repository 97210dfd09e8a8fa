import { readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { migrations } from '../../src/read-model/migrations/index.js';
import { LATEST_MIGRATION } from '../../src/read-model/schema-version.js';

const names = migrations.map(Migration => new Migration().name);

describe('the migrations', () => {
  it('are every file of their folder, oldest first', () => {
    const files = readdirSync(new URL('../../src/read-model/migrations/', import.meta.url));
    const numbers = files.map(file => /^(\d{13})-/.exec(file)?.[1]).filter(number => number !== undefined);

    expect(names.map(name => /\d{13}$/.exec(name ?? '')?.[0])).toEqual(numbers.sort());
  });

  it('are named by themselves, for a bundler may shorten the names of their classes', () => {
    expect(names).toEqual(migrations.map(Migration => Migration.name));
  });

  it('end with the one whose presence tells that a database is up to date', () => {
    expect(names.at(-1)).toBe(LATEST_MIGRATION);
  });
});
