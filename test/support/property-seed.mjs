/** PROPERTY_SEED=… draws the same worlds each time: a gate says yes or no to a change, and not to a draw (docs/testing.md). */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env.PROPERTY_SEED) });
