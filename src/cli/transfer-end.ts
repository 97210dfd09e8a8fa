/** The event store that a command moves events out of or into: the one that is named, or the one of the settings. */
import { InvalidInputError } from '../base/errors.js';
import { createLogger } from '../base/logging.js';
import { openEventStore } from '../composition/event-stores.js';
import { parseEventStoreUrl } from '../composition/settings.js';
import type { TransferableEventStore } from '../event-store/event-store.js';
import type { Session } from './session.js';

/** @param given `--store`; left out: EVENT_STORE_URL, or the database */
export async function openTransferEnd(
  { openDatabase, onEnd }: Session,
  given: string | undefined,
  { mayCreate = false } = {},
): Promise<TransferableEventStore> {
  const { url: databaseUrl, settings } = await openDatabase({ mayCreate });
  const parsed = given === undefined ? undefined : parseEventStoreUrl(given);
  if (parsed && 'problem' in parsed) {
    throw new InvalidInputError(
      `--store must be a URL like postgres://user:password@host:5432/database or esdb://user:password@host:2113, got ${parsed.problem}`,
    );
  }
  const log = await createLogger(settings.logLevel, settings.logFormat);
  const url = parsed?.url ?? settings.eventStoreUrl ?? databaseUrl;
  const opened = await openEventStore(url, { ...settings, log });
  onEnd(() => opened.close());
  await opened.identify();
  if (mayCreate && !(await opened.isMigrated())) {
    const { migrate } = await import('../read-model/migrate.js');
    await migrate(url);
  }
  return opened.store;
}
