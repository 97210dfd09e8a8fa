/** The event store that a command moves events out of or into: the one that is named, or the one of the settings. */
import { InvalidInputError } from '../base/errors.js';
import { createLogger } from '../base/logging.js';
import { openEventStore } from '../composition/event-stores.js';
import { parseEventStoreUrl } from '../composition/settings.js';
import type { TransferableEventStore } from '../event-store/event-store.js';
import type { Session } from './session.js';

/** @param given `--store`, beside which no database is needed; left out: EVENT_STORE_URL, or the database */
export async function openTransferEnd(
  session: Session,
  given: string | undefined,
  { mayCreate = false } = {},
): Promise<TransferableEventStore> {
  const settings = session.settings();
  const url =
    given === undefined
      ? (settings.eventStoreUrl ?? (await session.openDatabase({ mayCreate })).url)
      : parseGiven(given);
  const log = await createLogger(settings.logLevel, settings.logFormat);
  const opened = await openEventStore(url, { ...settings, log });
  session.onEnd(() => opened.close());
  await opened.identify();
  if (mayCreate && !(await opened.isMigrated())) {
    const { migrate } = await import('../read-model/migrate.js');
    await migrate(url);
  }
  return opened.store;
}

function parseGiven(given: string): string {
  const parsed = parseEventStoreUrl(given);
  if ('url' in parsed) return parsed.url;
  throw new InvalidInputError(
    `--store must be a URL like postgres://user:password@host:5432/database or esdb://user:password@host:2113, got ${parsed.problem}`,
  );
}
