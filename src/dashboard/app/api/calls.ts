/** Every question that the dashboard asks of the service, in one place. */
import type { Explanation } from '../../../cache/explanation.js';
import { get, post, type Query, RequestFailure } from './request.js';
import type {
  Activity,
  ClockForecasts,
  ConnectorPage,
  DeadLetter,
  Drift,
  HistoryPage,
  Job,
  Me,
  OverviewFigures,
  Projections,
  Refusals,
  Samples,
  StateAt,
  Stats,
  UsageBucket,
} from './types.js';

type Abort = AbortSignal | undefined;

/** Seconds. What everybody looks at, and loads again when something is recorded, is answered once for all. */
const SHARED = 1;

export const myself = (signal?: Abort) => get<Me>('v1/me', {}, signal);
export const overview = (signal?: Abort) => get<OverviewFigures>('v1/overview', {}, signal, SHARED);
export const stats = (signal?: Abort) => get<Stats>('v1/stats', {}, signal, SHARED);
export const clocks = (query: Query, signal?: Abort) =>
  get<Drift>('v1/analytics/clocks', query, signal, SHARED);
export const samples = (query: Query, signal?: Abort) =>
  get<Samples>('v1/analytics/samples', query, signal, SHARED);
export const refusals = (query: Query, signal?: Abort) =>
  get<Refusals>('v1/analytics/refusals', query, signal, SHARED);
export const usage = (query: Query, signal?: Abort) =>
  get<{ buckets: readonly UsageBucket[] }>('v1/analytics/usage', query, signal, SHARED);
export const activity = (query: Query, signal?: Abort) => get<Activity>('v1/activity', query, signal, SHARED);
export const forecastOfClocks = (query: Query, signal?: Abort) =>
  get<ClockForecasts>('v1/analytics/forecast/clocks', query, signal);
export const connectors = (query: Query, signal?: Abort) =>
  get<ConnectorPage>('v1/connectors', query, signal);

/** @throws RequestFailure for the ids `.` and `..`, which every address takes for its own parts */
const ofCredential = (userId: string, credentialId: string) => {
  const parts = [userId, credentialId].map(id => {
    if (/^\.\.?$/.test(id))
      throw new RequestFailure('refused', `${id} cannot be asked about: an address takes it away.`);
    return encodeURIComponent(id);
  });
  return `v1/users/${parts[0]}/credentials/${parts[1]}`;
};

export const history = async (userId: string, credentialId: string, query: Query, signal?: Abort) =>
  get<HistoryPage>(`${ofCredential(userId, credentialId)}/history`, query, signal);
export const explanation = async (userId: string, credentialId: string, signal?: Abort) =>
  get<Explanation>(`${ofCredential(userId, credentialId)}/explanation`, {}, signal);
export const stateAt = async (userId: string, credentialId: string, time: number, signal?: Abort) =>
  get<StateAt>(`${ofCredential(userId, credentialId)}/state-at`, { time: Math.round(time) }, signal);
export const invalidate = async (userId: string, credentialId: string) =>
  post<{ syncId: string }>(`${ofCredential(userId, credentialId)}/invalidate`, undefined);

/** What an operator has just changed shows. */
export const statsNow = (signal?: Abort) => get<Stats>('v1/stats', {}, signal);
export const projectionsNow = (signal?: Abort) => get<Projections>('v1/projections', {}, signal);
export const deadLetters = (signal?: Abort) =>
  get<{ deadLetters: readonly DeadLetter[]; total: number }>('v1/dead-letters', {}, signal);
export const jobs = (signal?: Abort) => get<{ jobs: readonly Job[] }>('v1/jobs', {}, signal);
export const cleanUp = () => post<{ removed: number }>('v1/cleanup', undefined);
export const rebuild = () => post<Job>('v1/rebuilds', {});
export const replay = () => post<Job>('v1/dead-letters/replay', undefined);
export const dismiss = (event: string) => post<{ changed: number }>('v1/dead-letters/dismiss', { event });
export const distrust = (machine: {
  readonly host: string;
  readonly login?: string | undefined;
  readonly since?: string | undefined;
  readonly undo?: boolean;
}) => post<{ clocks: number }>('v1/distrust', machine);
export const relay = () => post<{ waiting: number; dead: number }>('v1/outbox/relay', {});
