/** Analyses one at a time: what is alike is made once, and nobody waits for ever or is forgotten. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { createTurns, type Turns } from '../../src/http/turns.js';

let turns: Turns;
let nowMs: number;
/** Ends the analyses that are under way, by their question. */
let ends: Map<string, (fails?: Error) => void>;
let begun: string[];
let rests: number[];
let endRest: () => void;

beforeEach(() => {
  nowMs = 0;
  ends = new Map();
  begun = [];
  rests = [];
  turns = createTurns({
    mostWaiting: 2,
    patienceMs: 10_000,
    nowMs: () => nowMs,
    rest: ms => {
      rests.push(ms);
      return new Promise(resolve => {
        endRest = resolve;
      });
    },
  });
});

const ask = (question: string) =>
  turns.take(question, () => {
    begun.push(question);
    const n = begun.length;
    return new Promise<number>((resolve, reject) => {
      ends.set(question, error => (error ? reject(error) : resolve(n)));
    });
  });
const untilBegun = async (n: number) => {
  while (begun.length < n) await new Promise(setImmediate);
};
const end = (question: string, fails?: Error) => ends.get(question)?.(fails);

describe('analyses', () => {
  it('are made one after the other, in the order of asking', async () => {
    const [a, b] = [ask('a'), ask('b')];
    await untilBegun(1);
    expect(begun).toEqual(['a']);
    end('a');
    await untilBegun(2);
    expect(begun).toEqual(['a', 'b']);
    end('b');
    expect(await Promise.all([a, b])).toEqual([1, 2]);
  });

  it('that are alike and wait are made once, after all have asked for them', async () => {
    const first = ask('a');
    await untilBegun(1);
    // The first is under way already: what it reads may be older than this question.
    const [second, third] = [ask('a'), ask('a')];
    end('a');
    await untilBegun(2);
    end('a');
    expect(await Promise.all([first, second, third])).toEqual([1, 2, 2]);
  });

  it('that fail hold nobody up', async () => {
    const [a, b] = [ask('a'), ask('b')];
    await untilBegun(1);
    end('a', new Error('no'));
    await expect(a).rejects.toThrow('no');
    await untilBegun(2);
    end('b');
    expect(await b).toBe(2);
    const broken = turns.take('c', () => {
      throw new Error('at once');
    });
    await expect(broken).rejects.toThrow('at once');
  });

  it('are refused where too many wait, or one has for too long, and taken again later', async () => {
    const a = ask('a');
    await untilBegun(1);
    const [b, c] = [ask('b'), ask('c')];
    const refusal = { status: 503, code: 'OVERLOADED' };
    await expect(ask('d')).rejects.toMatchObject(refusal);
    nowMs = 10_001;
    end('a');
    expect(await a).toBe(1);
    await expect(b).rejects.toMatchObject(refusal);
    await expect(c).rejects.toMatchObject(refusal);
    const e = ask('e');
    await untilBegun(2);
    end('e');
    expect(await e).toBe(2);
  });

  it('rest for twice as long as one took during which a lookup came, and for a second at most', async () => {
    const took = async (question: string, ms: number, isLookedUp: boolean) => {
      const nth = begun.length + 1;
      const answer = ask(question);
      await untilBegun(nth);
      if (isLookedUp) turns.giveWay();
      nowMs += ms;
      end(question);
      await answer;
    };
    await took('a', 40, false);
    expect(rests).toEqual([]);
    await took('b', 40, true);
    await new Promise(setImmediate);
    expect(rests).toEqual([80]);

    const next = took('c', 5_000, true);
    await new Promise(setImmediate);
    expect(begun).toEqual(['a', 'b']);
    endRest();
    await next;
    await new Promise(setImmediate);

    expect(rests).toEqual([80, 1_000]);
  });
});
