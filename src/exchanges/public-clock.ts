/** An exchange's clock, asked for without an account: the call that its profile names, over a connection of its own. */
import type { ClockSample } from '../clock/offset.js';
import type { ExchangeProfile } from './exchange-profile.js';
import { askPublicly, type PublicCall } from './public-call.js';
import { sampleOf } from './server-stamp.js';
import { readStamp } from './stamp-place.js';

/**
 * Two requests: the first opens the connection, so that the second bounds the clock closely.
 * @throws ExchangeError; InvalidInputError for plain http beyond loopback
 */
export async function measurePublicClock(profile: ExchangeProfile, call: PublicCall): Promise<ClockSample> {
  const { path, stamp } = profile.time;
  return askPublicly(profile, call, path, async (send, intake) => {
    const ask = async () => {
      const { answer, context } = await send();
      const { reply, body } = answer;
      const told = readStamp(stamp, body, reply.headers);
      const sample = sampleOf(reply, told?.ms ?? Number.NaN, 'time-endpoint', told?.resolutionMs);
      return { context, reply, sample };
    };
    await intake.measure(ask);
    return intake.measure(ask);
  });
}
