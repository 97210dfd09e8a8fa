/** What a page shows when it has no data: it is on its way, there is none, it may not be seen, or it cannot be had. */
import type { ComponentChildren } from 'preact';
import type { RequestFailure } from '../api/request.js';
import type { Resource } from '../state/resource.js';
import { utc } from '../state/words.js';
import { SignIn } from './sign-in.js';

interface LoadedProps<T> {
  readonly of: Resource<T>;
  readonly children: (data: T) => ComponentChildren;
  /** Shown in place of the data when `isEmpty` says so. */
  readonly empty?: ComponentChildren;
  readonly isEmpty?: (data: T) => boolean;
}

export function Loaded<T>({
  of: { data, failure, loadedAtMs, reload },
  children,
  empty,
  isEmpty,
}: LoadedProps<T>) {
  if (failure?.kind === 'unauthenticated') return <SignIn />;
  if (data === undefined) {
    return failure ? <Failure failure={failure} reload={reload} /> : <p class="loading">Loading…</p>;
  }
  return (
    <>
      {failure && (
        <div class="banner warn" role="status">
          <span>
            {TITLE[failure.kind]} What you see is as of {utc(loadedAtMs ?? 0)} UTC. {failure.message}
          </span>
          <button type="button" onClick={reload}>
            Try now
          </button>
        </div>
      )}
      {isEmpty?.(data) ? empty : children(data)}
    </>
  );
}

const TITLE: Readonly<Record<RequestFailure['kind'], string>> = {
  unauthenticated: 'Who are you?',
  forbidden: 'Your key may not see this.',
  'not-found': 'There is no such thing.',
  unavailable: 'The service cannot answer now.',
  unreachable: 'The service does not answer.',
  refused: 'The service refused.',
};

const REMEDY: Readonly<Record<RequestFailure['kind'], string>> = {
  unauthenticated: '',
  forbidden: 'Sign in with a key of another role, or ask whoever issued yours.',
  'not-found': 'Nothing was ever recorded under this name, or it is not yours to see.',
  unavailable: 'It is tried again by itself. Connectors go on signing by what they know meanwhile.',
  unreachable: 'It is tried again by itself. Is the service running, and the network there?',
  refused: 'The address of this page may be wrong.',
};

export function Failure({
  failure,
  reload,
}: {
  readonly failure: RequestFailure;
  readonly reload: () => void;
}) {
  return (
    <section class="state" role="alert">
      <h2>{TITLE[failure.kind]}</h2>
      <p>
        {failure.message}
        {failure.code && <code> {failure.code}</code>}
      </p>
      <p class="soft">{REMEDY[failure.kind]}</p>
      <button type="button" onClick={reload}>
        Try now
      </button>
    </section>
  );
}

export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <section class="state">
      <h2>{title}</h2>
      <p class="soft">{children}</p>
    </section>
  );
}
