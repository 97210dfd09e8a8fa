/**
 * Many lookups as one answer, made as text.
 *
 * A thousand states are asked for over and over, and most of what they cost was to make objects for `JSON.stringify`. A state
 * never changes, so its text is made once and kept as long as somebody has the state (the memory tier hands out the same
 * object each time). A test holds the text to the schema, and to what one lookup is answered with.
 */
import { type Hit, type Lookup, linkOf, type UsableState } from '../../cache/lookup.js';
import { type Answering, referenceOf, toLookupAnswer, toStateAnswer } from './state.js';

/** Of hits in memory, whole. */
const texts = new WeakMap<UsableState, string>();

/** @returns JSON: a `manyAnswer` */
export function manyAnswerText(lookups: readonly Lookup[], { nonce, ...answering }: Answering): string {
  // The clock that most are relative to is told once for all.
  const first = lookups.find(lookup => linkOf(lookup) !== undefined);
  const shared = first && referenceOf(first, answering).reference;
  const states = lookups.map(lookup =>
    lookup.hit && !lookup.behind && lookup.state.link.clockId === shared?.clock
      ? hitText(lookup)
      : JSON.stringify(withoutShared(toLookupAnswer(lookup, answering), shared?.clock)),
  );
  const head = JSON.stringify({
    ...(nonce !== undefined && { nonce }),
    ...(shared && { reference: shared }),
  });
  const start = head === '{}' ? '{' : `${head.slice(0, -1)},`;
  return `${start}"states":[${states.join(',')}]}`;
}

function hitText({ tier, state }: Hit): string {
  // From anywhere else a state is an object of its own each time.
  const known = tier === 'memory' ? texts.get(state) : undefined;
  if (known !== undefined) return known;
  const text = `{"hit":true,"tier":"${tier}","state":${JSON.stringify(toStateAnswer(state))}}`;
  if (tier === 'memory') texts.set(state, text);
  return text;
}

function withoutShared(answer: ReturnType<typeof toLookupAnswer>, clock: string | undefined): object {
  if (answer.reference?.clock !== clock) return answer;
  const { reference: _, ...rest } = answer;
  return rest;
}
