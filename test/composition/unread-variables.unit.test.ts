/** A variable that begins with our name and is no setting: said, with the one that was meant. */
import { describe, expect, it } from '@jest/globals';
import { unreadVariables } from '../../src/composition/unread-variables.js';

describe('a variable that nobody reads', () => {
  it.each([
    ['CONNECTOR_STATE_DATADIR', 'CONNECTOR_STATE_DATA_DIR'],
    ['CONNECTOR_STATE_POOL_SIZE', 'POOL_SIZE'],
    ['CONNECTOR_STATE_DATABASE_URI', 'DATABASE_URL'],
    ['CONNECTOR_STATE_REDIS_DEADLINE', 'REDIS_DEADLINE_MS'],
    ['CONNECTOR_STATE_STATE_TTL_MS', 'STATE_TTL_MS'],
  ])('%s is told to be %s', (name, meant) => {
    expect(unreadVariables({ [name]: 'x' })).toEqual([{ name, meant }]);
  });

  it.each([
    { CONNECTOR_STATE_DATA_DIR: '/srv' },
    // What a program calls something of its own.
    { CONNECTOR_STATE_KEY: 'cs_…', CONNECTOR_STATE_URL: 'https://…', CONNECTOR_STATE_TIMEOUT: '1' },
    { POOL_SIZ: '3', DB_URL: 'x' },
    { CONNECTOR_STATE_POOL_SIZE: ' ' },
    {},
  ])('is not one of %j', env => {
    expect(unreadVariables(env)).toEqual([]);
  });
});
