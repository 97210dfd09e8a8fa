/**
 * The feed as Server-Sent Events: text that is made once for all who follow.
 *
 * A page that 200 followers are sent whole is one buffer for all of them; for those who filter, each event is kept as text.
 * Both are kept by the page's and the event's identity, so they go when the window lets the page go.
 *
 *   id: <token>          facts: the default event, `data` is the fact as JSON
 *   event: hits          in place of the hits of a page, for who asked for that: `data` says how many (decision 67)
 *   event: reset …       caught-up, reset, cut-off: `data` says why
 *   id: <token>\n\n      a heartbeat: no data, so that nothing is dispatched, and the place moves on
 */
import type { StoredEvent } from '../../events/event.js';
import type { FilteredBatch } from '../../feed/event-feed.js';
import { tokenAt } from '../../feed/follow.js';
import { toEventAnswer } from '../schemas/events.js';

type Events = Extract<FilteredBatch, { type: 'events' }>;
type Page = Events['page'];

/** What of a fact is whose to see: a tenant is not told which machine or login of the operator's recorded it. */
export type Audience = 'operator' | 'tenant';
/** Hits are most of a busy log; who only wants to know that there were some is told their number. */
export type Hits = 'told' | 'counted';

const keptPages = () => ({ operator: new WeakMap<Page, Buffer>(), tenant: new WeakMap<Page, Buffer>() });
const pages = { told: keptPages(), counted: keptPages() };
const facts = { operator: new WeakMap<StoredEvent, string>(), tenant: new WeakMap<StoredEvent, string>() };

/** @returns `undefined` where nothing of it is wanted */
export function frameOf(
  batch: FilteredBatch,
  audience: Audience,
  hits: Hits = 'told',
): Buffer | string | undefined {
  if (batch.type !== 'events') return controlFrame(batch);
  if (batch.wants) return textOf(batch, audience, hits) || undefined;
  const kept = pages[hits][audience];
  const known = kept.get(batch.page);
  if (known) return known;
  const made = Buffer.from(textOf(batch, audience, hits));
  kept.set(batch.page, made);
  return made;
}

function textOf({ page, wants, log, token }: Events, audience: Audience, hits: Hits): string {
  let text = '';
  let counted = 0;
  for (let i = 0; i < page.length; i++) {
    const event = page[i] as StoredEvent;
    if (wants && !wants(event)) continue;
    if (hits === 'counted' && event.decoded === 'known' && event.type === 'ConnectorStateHit')
      counted += event.data.count;
    else text += factFrame(event, page, i, log, audience);
  }
  if (counted > 0) text += `id: ${token}\nevent: hits\ndata: {"count":${counted}}\n\n`;
  return text;
}

/** `retry` for who reconnects by himself, and a comment that makes proxies pass the head on. */
export const OPENING = 'retry: 2000\n\n';

export const heartbeat = (token: string): string => `: heartbeat\nid: ${token}\n\n`;

function controlFrame(batch: Exclude<FilteredBatch, { type: 'events' }>): string {
  const { type, token } = batch;
  const data = 'reason' in batch ? { reason: batch.reason } : {};
  return `id: ${token}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}

function factFrame(
  event: StoredEvent,
  page: Page,
  index: number,
  log: string | undefined,
  audience: Audience,
): string {
  const known = facts[audience].get(event);
  if (known !== undefined) return known;
  const text = `id: ${tokenAt(page, index, log)}\ndata: ${JSON.stringify(shownTo(audience, event))}\n\n`;
  facts[audience].set(event, text);
  return text;
}

function shownTo(audience: Audience, event: StoredEvent): object {
  const answer = toEventAnswer(event);
  if (audience === 'operator') return answer;
  const { host: _host, login: _login, position: _position, ...own } = answer;
  return own;
}
