/**
 * The frame every command runs in: an output, a signal that Ctrl-C fires, and whatever must be released
 * when the command ends, however it ends.
 *
 * The first Ctrl-C (or SIGTERM) asks: the command stops at its next safe point and everything it opened is
 * closed, the embedded database included. The second does not wait.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidSettingsError } from '../base/errors.js';
import { createLogger } from '../base/logging.js';
import { isInstalled } from '../base/optional-package.js';
import {
  type ConnectorState,
  type ConnectorStateOptions,
  createConnectorState,
} from '../composition/connector-state.js';
import { goesWithout, isDataDirNamed, openDatabase } from '../composition/database.js';
import { readSettings, type Settings, type SettingsInput } from '../composition/settings.js';
import { EXIT, InterruptedError, NotFoundError } from './exit-codes.js';
import { makeFirstContact } from './first-contact.js';
import { createOutput, type Output } from './output.js';

export interface Session {
  readonly out: Output;
  /** Fires at the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** Resolves then, at once if that was while the command started: for who runs until he is told to stop. */
  untilStopped(): Promise<void>;
  /**
   * Opens connector-state from the environment; closed when the command ends.
   * @throws NotFoundError where there is no database yet, unless the command `mayCreate` one; WrongSettingError when the database or the event store cannot be the one that was meant
   */
  open(settings?: SettingsInput & Traced, options?: Creation): Promise<ConnectorState>;
  /**
   * Only the database, with nothing made in it; given back when the command ends.
   * @throws as `open`
   */
  openDatabase(options?: Creation & Contact): Promise<{ url: string; settings: Settings }>;
  /** From the environment, with a command's own defaults. */
  settings(): Settings;
  /** To be called when the command ends, last registered first. */
  onEnd(release: () => Promise<void> | void): void;
}

/** For whom spans are made. */
type Traced = Pick<ConnectorStateOptions, 'tracer'>;

interface Creation {
  /** Whether the embedded database may be made. Who looks into a place where nothing is hears that, and makes nothing. */
  readonly mayCreate?: boolean;
}

interface Contact {
  /** False for who tells by itself what is wrong with the URLs. Default true. */
  readonly isContacted?: boolean;
}

/** A terminal that is closed says SIGHUP, which Node would end by without another word: an embedded server would stay. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Commands talk to people; the library's own log lines start at warnings unless asked for. */
const DEFAULT_LOG_LEVEL = 'warn';

export async function runSession(json: boolean, command: (session: Session) => Promise<void>): Promise<void> {
  const out = createOutput(json);
  const interruption = new AbortController();
  const releases: (() => Promise<void> | void)[] = [];
  const stopped = new Promise<void>(resolve => {
    interruption.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const onSignal = (name: NodeJS.Signals) => {
    if (interruption.signal.aborted) process.exit(EXIT.interrupted);
    out.message(`${name}: stopping; once more to stop at once`);
    interruption.abort(new InterruptedError());
  };
  for (const name of ENDING) process.on(name, onSignal);
  const session: Session = {
    out,
    signal: interruption.signal,
    untilStopped: () => stopped,
    onEnd: release => releases.push(release),
    settings: commandSettings,
    async openDatabase(options) {
      const settings = commandSettings();
      requireDatabase(settings, options);
      if (options?.isContacted !== false) await makeFirstContact(settings);
      const database = await openDatabase(
        settings,
        await createLogger(settings.logLevel, settings.logFormat),
      );
      releases.push(() => database.release());
      interruption.signal.throwIfAborted();
      return { url: database.url, settings };
    },
    async open(input, options) {
      // What connectors do with the cache is no reason not to look into it.
      const cacheMode = 'on';
      const settings: SettingsInput & Traced = {
        logLevel: logLevel(),
        logFormat: logFormat(),
        cacheMode,
        ...input,
      };
      const checked = readSettings(settings);
      requireDatabase(checked, options);
      await makeFirstContact(checked);
      interruption.signal.throwIfAborted();
      // The command line's own database may be looked into in production too.
      const state = await createConnectorState({ ...settings, dataDir: checked.dataDir });
      releases.push(() => state.close());
      await state.ready();
      interruption.signal.throwIfAborted();
      return state;
    },
  };
  try {
    await command(session);
  } finally {
    for (const release of releases.reverse()) await release();
    for (const name of ENDING) process.off(name, onSignal);
  }
}

function requireDatabase(settings: Settings, { mayCreate = false }: Creation = {}): void {
  const { databaseUrl, dataDir } = settings;
  const place = join(dataDir, 'postgres');
  if (databaseUrl !== undefined || existsSync(place)) return;
  if (mayCreate && !goesWithout(settings, isDataDirNamed())) return;
  throw new NotFoundError(
    `no database here: DATABASE_URL is unset, and there is no ${place}. Set DATABASE_URL, go to where the embedded database is (or name it in CONNECTOR_STATE_DATA_DIR), or make one with \`connector-state migrate\`${mayCreate ? ', which in production needs CONNECTOR_STATE_DATA_DIR' : ''}.`,
  );
}

// Undefined where the environment says something, so that it is read, and checked, there.
const logLevel = () => (process.env.LOG_LEVEL?.trim() ? undefined : DEFAULT_LOG_LEVEL);
const logFormat = () =>
  process.env.LOG_FORMAT?.trim() ? undefined : isInstalled('LOG_FORMAT=pretty') ? 'pretty' : 'json';

const commandSettings = () => readSettings({ logLevel: logLevel(), logFormat: logFormat() });

export function explain(error: unknown): string {
  if (error instanceof InvalidSettingsError) return error.message;
  return error instanceof Error ? error.message : String(error);
}
