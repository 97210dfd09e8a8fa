/** Events in words, as the command line's `history` says them. */
import type { FeedEvent } from '../api/types.js';
import { millis, plusMinus, span, utc } from '../state/words.js';
import { visible } from './id.js';
import type { Verdict } from './tile.js';

const NAMES: Readonly<Record<string, readonly [string, Verdict]>> = {
  ConnectorSynced: ['synced', 'good'],
  ConnectorSyncFailed: ['sync failed', 'warn'],
  ConnectorStateHit: ['hit', 'none'],
  ConnectorAuthFailed: ['refused', 'bad'],
  ConnectorRequestLate: ['late', 'warn'],
  ExchangeUnreachable: ['unreachable', 'warn'],
  ExchangeEdgeMeasured: ['edge apart', 'none'],
  ConnectorStateInvalidated: ['invalidated', 'warn'],
  ConnectorShadowed: ['shadowed', 'none'],
  WitnessDistrusted: ['distrusted', 'warn'],
  ExpiredStatesCleaned: ['cleaned up', 'none'],
  HitsForgotten: ['hits forgotten', 'none'],
};

export const nameOf = ({ type }: FeedEvent): readonly [string, Verdict] => NAMES[type] ?? [type, 'none'];

export function describe({ type, data = {} }: FeedEvent): string {
  const text = (name: string) => visible(String(data[name] ?? '–'));
  const figure = (name: string) => Number(data[name] ?? Number.NaN);
  switch (type) {
    case 'ConnectorSynced': {
      const how = data['basis'] === 'measured' ? 'measured' : 'taken over from the shared clock';
      return `${text('trigger')}: ${how}, ${plusMinus(figure('offsetMs'), figure('uncertaintyMs'))} for ${span(figure('ttlMs'))}`;
    }
    case 'ConnectorSyncFailed':
      return `${text('trigger')}: ${text('failureClass')} ${data['exchangeCode'] === undefined ? '' : text('exchangeCode')}`;
    case 'ConnectorStateHit':
      return `${text('count')} × ${text('tier')}${data['stale'] === true ? ', stale' : ''}`;
    case 'ConnectorAuthFailed': {
      const signed =
        data['offsetMs'] === undefined
          ? ''
          : `, signed with ${millis(figure('offsetMs'))} that was ${span(figure('offsetAgeMs'))} old`;
      return `${text('exchangeCode')} (${text('failureClass')})${signed}`;
    }
    case 'ConnectorRequestLate':
      return `${text('exchangeCode')}: ${span(figure('lateAtLeastMs'))} to ${span(figure('lateAtMostMs'))} late, the clock was right within ${millis(figure('uncertaintyMs'))}`;
    case 'ExchangeUnreachable':
      return `${text('exchangeCode')} (${text('failureClass')})`;
    case 'ExchangeEdgeMeasured':
      return `the edge is ${plusMinus(figure('aheadMs'), figure('uncertaintyMs'))} ahead of the exchange`;
    case 'ConnectorStateInvalidated':
      return `${text('reason')} by ${text('by')}`;
    case 'WitnessDistrusted':
      return `${text('host')} is ${data['undo'] ? 'believed again' : 'not believed'}, by ${text('by')}`;
    case 'ExpiredStatesCleaned':
      return `what ended before ${utc(figure('cutoff'))}`;
    case 'ConnectorShadowed':
      return `would have started from ${data['tier'] ?? data['contact'] ?? '–'}`;
    case 'HitsForgotten':
      return `hits from before ${utc(figure('before'))}`;
  }
  return '(a type that this page does not know)';
}

/** Whom it is about, where it says so. */
export const whoseIs = ({ data = {} }: FeedEvent): { userId: string; credentialId: string } | undefined =>
  typeof data['userId'] === 'string' && typeof data['credentialId'] === 'string'
    ? { userId: data['userId'], credentialId: data['credentialId'] }
    : undefined;
