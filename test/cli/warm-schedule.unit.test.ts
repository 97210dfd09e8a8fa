/** The times of `warm --at`, in zones that change their clocks and in those that do not. */
import { describe, expect, it } from '@jest/globals';
import { scheduleOf } from '../../src/cli/warm-schedule.js';

const at = (text: string) => Date.parse(text);

describe('scheduleOf', () => {
  it('names the day on which a zone changes its clocks, and which way the times move', async () => {
    const winter = await scheduleOf('30 2 * * *', 'Europe/Berlin', at('2027-03-27T12:00:00Z'));
    expect(winter.warning).toMatch(
      /Europe\/Berlin changes its clocks by 60 min before 2027-03-28.*60 min earlier/,
    );
    const summer = await scheduleOf('30 2 * * *', 'Europe/Berlin', at('2027-07-01T12:00:00Z'));
    expect(summer.warning).toMatch(/before 2027-10-31.*60 min later/);
    for (const zone of ['UTC', 'Asia/Tokyo', 'Asia/Kolkata']) {
      expect((await scheduleOf('30 2 * * *', zone, at('2027-03-27T12:00:00Z'))).warning).toBeUndefined();
    }
  });

  it('fires right after a time that the change skips, and once at one that it repeats', async () => {
    const { next } = await scheduleOf('30 2 * * *', 'Europe/Berlin', at('2027-03-27T12:00:00Z'));
    expect(next(at('2027-03-27T12:00:00Z'))).toBe(at('2027-03-28T01:00:00Z'));
    expect(next(at('2027-03-28T01:00:00Z'))).toBe(at('2027-03-29T00:30:00Z'));
    expect(next(at('2027-10-30T12:00:00Z'))).toBe(at('2027-10-31T00:30:00Z'));
    expect(next(at('2027-10-31T00:30:00Z'))).toBe(at('2027-11-01T01:30:00Z'));
  });

  it('takes one moment, and says of one in the past when it was', async () => {
    const { next } = await scheduleOf('2027-06-01T10:00:00', 'Europe/Berlin', at('2027-05-01T00:00:00Z'));
    expect(next(at('2027-05-01T00:00:00Z'))).toBe(at('2027-06-01T08:00:00Z'));
    expect(next(at('2027-06-01T08:00:00Z'))).toBeUndefined();
    await expect(
      scheduleOf('2027-06-01T10:00:00', 'Europe/Berlin', at('2027-06-01T08:00:01Z')),
    ).rejects.toThrow('lies in the past: it was 2027-06-01T08:00:00.000Z');
  });
});
