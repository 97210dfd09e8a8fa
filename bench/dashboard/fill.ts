/**
 * A year of two exchanges' clocks as twenty machines saw them, as much as the dashboard reads of it: every hour (and day)
 * of the roll-ups, summed up from two samples each and counted as if there were 100 million behind them, and the samples
 * of the last three days at that density. What lies further back no page reads sample by sample.
 */
import { pg } from '../../src/postgres/driver.js';
import { addSamples, DAYS, fillDrift, MACHINES } from '../drift-samples.js';

const DAY_MS = 86_400_000;
const DENSE_DAYS = 3;
const EXCHANGES = 2;
/** A year's. */
export const SAMPLES = 100_000_000;
export const SAMPLES_A_DAY = SAMPLES / DAYS;
const SAMPLES_AN_HOUR = 2;

export async function fillYear(
  databaseUrl: string,
  isQuick: boolean,
  progress: (text: string) => void,
): Promise<string> {
  const thin = DAYS * 24 * MACHINES * EXCHANGES * SAMPLES_AN_HOUR;
  const filled = await fillDrift(databaseUrl, thin, progress);
  progress('the last days’ samples');
  const dense = isQuick ? 20_000 : SAMPLES_A_DAY;
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await addSamples(client, new Date(Date.now() - DENSE_DAYS * DAY_MS), new Date(), dense);
    await client.query('UPDATE drift_hourly SET samples = samples * $1::integer', [
      Math.round(SAMPLES / filled.samples),
    ]);
    // Without the rows as they were before the update, which no real table has.
    await client.query('VACUUM FULL drift_hourly');
    await client.query('VACUUM (ANALYZE) drift_hourly');
    await client.query('VACUUM (ANALYZE) drift_sample');
    await client.query('CHECKPOINT');
  } finally {
    await client.end();
  }
  return `${filled.hours} hours of ${MACHINES} machines and ${EXCHANGES} exchanges over ${DAYS} days, inserted as if ${SAMPLES} samples were behind them; single samples of the last ${DENSE_DAYS} days, ${Math.round(dense)} a day.`;
}
