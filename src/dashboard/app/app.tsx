/** The frame around every page: where one can go, who is asking, and whether what is seen is live. */
import type { ComponentType } from 'preact';
import { lazy, Suspense } from 'preact/compat';
import { useEffect } from 'preact/hooks';
import { Link, Redirect, Route, Router, Switch, useLocation } from 'wouter-preact';
import { myself } from './api/calls.js';
import { type FeedState, feedState, followFeed } from './api/feed.js';
import type { Me } from './api/types.js';
import { SignIn } from './parts/sign-in.js';
import { Empty, Failure } from './parts/states.js';
import { prefix } from './state/prefix.js';
import { useResource } from './state/resource.js';
import { isSignedIn, sessionNumber, signOut } from './state/session.js';

export interface PageProps {
  readonly me: Me;
}

interface Page {
  readonly path: string;
  readonly name: string;
  readonly load: () => Promise<{ readonly default: ComponentType<PageProps> }>;
  /** Left out of the navigation, or of it for who may not. */
  readonly isShown: (me: Me) => boolean;
}

const may =
  (...roles: readonly string[]) =>
  (me: Me) =>
    me.roles.some(role => role === 'operator' || roles.includes(role));
const seesAll = (me: Me) => me.userId === null && may('analyst')(me);

const PAGES: readonly Page[] = [
  { path: '/', name: 'Overview', load: () => import('./pages/overview.js'), isShown: seesAll },
  {
    path: '/clocks',
    name: 'Clocks',
    load: () => import('./pages/clocks.js'),
    isShown: may('analyst'),
  },
  {
    path: '/connectors',
    name: 'Connectors',
    load: () => import('./pages/connectors.js'),
    isShown: may('reader', 'analyst'),
  },
  {
    path: '/connector',
    name: 'Connector',
    load: () => import('./pages/connector.js'),
    isShown: () => false,
  },
  { path: '/usage', name: 'Usage', load: () => import('./pages/usage.js'), isShown: seesAll },
  {
    path: '/operations',
    name: 'Operations',
    load: () => import('./pages/operations.js'),
    isShown: me => me.userId === null && may()(me),
  },
];

const COMPONENTS = new Map(PAGES.map(({ path, load }) => [path, lazy(load)]));

// Beside the question who is asking, and not after its answer.
PAGES.find(({ path }) => path === location.pathname.slice(prefix.length))
  ?.load()
  .catch(() => undefined);

export function App() {
  return (
    <Router base={prefix}>
      <Frame />
    </Router>
  );
}

function Frame() {
  const me = useResource('me', myself);
  const [path] = useLocation();
  const who = me.data;
  const page = PAGES.find(each => each.path === path);
  useEffect(() => {
    document.title = page ? `${page.name} · connector-state` : 'connector-state';
  }, [page]);
  const session = sessionNumber.value;
  useEffect(() => (who ? followFeed() : undefined), [who?.id, session]);

  return (
    <>
      <a class="skip" href="#content">
        Skip to content
      </a>
      <header>
        <span class="brand">connector-state</span>
        {who && (
          <nav aria-label="Pages">
            {PAGES.filter(({ isShown }) => isShown(who)).map(({ path: to, name }) => (
              <Link key={to} href={to} aria-current={to === path ? 'page' : undefined}>
                {name}
              </Link>
            ))}
          </nav>
        )}
        {who && (
          <span class="who">
            <Live />
            <span class="soft who-name">{who.id}</span>
            {isSignedIn() && (
              <button type="button" class="quiet" onClick={signOut}>
                Sign out
              </button>
            )}
          </span>
        )}
      </header>
      <main id="content" tabIndex={-1}>
        <h1 class="unseen">{page?.name ?? 'connector-state'}</h1>
        {who ? <Pages me={who} /> : <BeforeSignIn of={me} />}
      </main>
    </>
  );
}

function BeforeSignIn({ of: { failure, reload } }: { readonly of: ReturnType<typeof useResource<Me>> }) {
  if (failure?.kind === 'unauthenticated') return <SignIn />;
  if (failure) return <Failure failure={failure} reload={reload} />;
  return <p class="loading">Loading…</p>;
}

function Pages({ me }: PageProps) {
  const [path] = useLocation();
  const [first] = PAGES.filter(({ isShown }) => isShown(me));
  if (!first) {
    return (
      <Empty title="There is nothing to look at">This key may record what happens, and not look back.</Empty>
    );
  }
  // The address of the service itself leads to what there is.
  if (path === '/' && first.path !== '/') return <Redirect to={first.path} replace />;
  return <AllPages me={me} />;
}

const AllPages = ({ me }: PageProps) => (
  <Suspense fallback={<p class="loading">Loading…</p>}>
    <Switch>
      {[...COMPONENTS].map(([path, Component]) => (
        <Route key={path} path={path}>
          <Component me={me} />
        </Route>
      ))}
      <Route>
        <Empty title="There is no such page">
          Start from the <Link href="/">overview</Link>.
        </Empty>
      </Route>
    </Switch>
  </Suspense>
);

const LIVE: Readonly<Record<FeedState, readonly [sign: string, text: string]>> = {
  off: ['○', 'not live'],
  connecting: ['◌', 'connecting'],
  live: ['●', 'live'],
  paused: ['○', 'paused'],
  waiting: ['◌', 'reconnecting'],
  refused: ['○', 'not live'],
};

function Live() {
  const state = feedState.value;
  const [sign, text] = LIVE[state];
  return (
    <span class={`live ${state}`} role="status">
      <span aria-hidden="true">{sign}</span> {text}
    </span>
  );
}
