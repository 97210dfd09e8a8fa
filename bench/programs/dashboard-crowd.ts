/**
 * A hundred open dashboards without their screens, in a process of their own: each follows the feed, and asks what the page
 * was seen to ask when an event comes, as late as the page does. Started and stopped by its parent.
 */
import { Agent, get } from 'node:http';

export interface CrowdTask {
  readonly url: string;
  /** The path that the page follows, with its query. */
  readonly feed: string;
  readonly pages: number;
  /** Paths with their queries, as a page asked them at `askedAtMs`; times in them move on. */
  readonly asks: readonly { readonly path: string; readonly cacheControl: string }[];
  readonly askedAtMs: number;
}

export interface CrowdAnswer {
  readonly reloads: number;
  /** Answers other than 200. */
  readonly refused: number;
}

/** As the page's own; src/dashboard/app/state/live.ts. */
const PAUSE_MS = 1_000;
/** Facts, and hits that are counted; not what the feed says of itself. src/http/feed/frames.ts. */
const NEWS = /^id: .*\n(event: hits\n)?data:/m;
const EPOCH_MS = /\b\d{13}\b/g;

process.once('message', (task: CrowdTask) => {
  const agent = new Agent({ keepAlive: true });
  const followers: { end(): void }[] = [];
  let reloads = 0;
  let refused = 0;
  const ask = ({ path, cacheControl }: CrowdTask['asks'][number]) => {
    const now = path.replaceAll(EPOCH_MS, at => String(Number(at) + Date.now() - task.askedAtMs));
    get(`${task.url}${now}`, { agent, headers: { 'cache-control': cacheControl } }, response => {
      if (response.statusCode !== 200) refused++;
      response.resume();
    }).on('error', () => refused++);
  };
  for (let page = 0; page < task.pages; page++) {
    let timer: NodeJS.Timeout | undefined;
    const request = get(`${task.url}${task.feed}`, { agent: false }, response => {
      response.on('data', (chunk: Buffer) => {
        if (timer || !NEWS.test(chunk.toString())) return;
        timer = setTimeout(() => {
          timer = undefined;
          reloads++;
          for (const one of task.asks) ask(one);
        }, PAUSE_MS);
      });
    });
    request.on('error', () => undefined);
    followers.push({
      end() {
        clearTimeout(timer);
        request.destroy();
      },
    });
  }
  process.once('message', () => {
    for (const follower of followers) follower.end();
    process.send?.({ reloads, refused } satisfies CrowdAnswer);
    process.disconnect();
    agent.destroy();
  });
});
