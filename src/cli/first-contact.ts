/**
 * The first contact with what the settings name, before a command does anything.
 *
 * A library that cannot reach its database or its event store goes on and tries again; that is what a program in
 * production needs. Who has just typed a command needs to hear what is wrong with the URL: no such host, a login that is
 * refused, a certificate that does not verify. That is one sentence and exit 2, also for a command that is going
 * to run for weeks (whatever becomes of the name or the login later, it then tries again). What may pass by itself (a
 * server that is away, a resolver that does not answer) is left to the command, which says so or waits.
 */
import { withDeadline } from '../base/deadline.js';
import { silentLogger } from '../base/logging.js';
import { checkEventStoreUrl, type EventStoreUse, openEventStore } from '../composition/event-stores.js';
import type { Settings } from '../composition/settings.js';
import { isPostgresUrl } from '../postgres/database-url.js';
import { findFaultOfUrl } from '../read-model/connection.js';
import { WrongSettingError } from './exit-codes.js';

/** A server that takes the call and says nothing is not the settings' fault, as far as one can know. */
const EVENT_STORE_DEADLINE_MS = 3_000;

/**
 * @throws WrongSettingError with a sentence for each URL that can only be wrong; InvalidSettingsError for one that can
 *   be seen to be
 */
export async function makeFirstContact(
  settings: Pick<Settings, 'databaseUrl' | 'eventStoreUrl' | 'hitsMaxAgeMs' | 'namedStatements'>,
): Promise<void> {
  const { databaseUrl, eventStoreUrl } = settings;
  if (eventStoreUrl) await checkEventStoreUrl(eventStoreUrl);
  const faults = await Promise.all([
    databaseUrl && findFaultOfUrl(databaseUrl, 'DATABASE_URL'),
    eventStoreUrl && eventStoreUrl !== databaseUrl && faultOfEventStore(eventStoreUrl, settings),
  ]);
  const sentences = faults.filter(Boolean);
  if (sentences.length > 0) throw new WrongSettingError(sentences.join('\n'));
}

async function faultOfEventStore(
  url: string,
  { hitsMaxAgeMs, namedStatements }: Pick<EventStoreUse, 'hitsMaxAgeMs' | 'namedStatements'>,
): Promise<string | undefined> {
  if (isPostgresUrl(url)) return findFaultOfUrl(url, 'EVENT_STORE_URL');
  const opened = await openEventStore(url, {
    poolSize: 1,
    namedStatements,
    hitsMaxAgeMs,
    log: silentLogger,
  });
  try {
    await withDeadline(opened.identify(), EVENT_STORE_DEADLINE_MS, () => undefined);
    return undefined;
  } catch (error) {
    return (error as { transient?: boolean }).transient === false
      ? `EVENT_STORE_URL: ${(error as Error).message}`
      : undefined;
  } finally {
    await opened.close();
  }
}
