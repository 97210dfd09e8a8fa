/**
 * Those who follow the feed, in a process of their own: each counts what it is sent and holds each event's position against the
 * one before. Told by its parent whom to follow and how much there is; answers when everybody has had everything.
 */
import { get } from 'node:http';

export interface FollowersTask {
  readonly url: string;
  readonly followers: number;
  readonly events: number;
}

export interface FollowersAnswer {
  readonly seconds: number;
  readonly bytes: number;
  /** Events that were out of order, or came twice. */
  readonly disorder: number;
}

/** An event's place: `1.<log>.pg/<position>.<id>`; nothing in its data looks like the beginning of a line. */
const PLACE = /^id: 1\.[0-9a-f-]+\.pg\/(\d+)\.[0-9a-f]{16}[^\n]*\ndata: /gm;

process.once('message', (task: FollowersTask) => {
  void run(task).then(answer => {
    process.send?.(answer);
    process.disconnect();
  });
});

async function run({ url, followers, events }: FollowersTask): Promise<FollowersAnswer> {
  const startedMs = performance.now();
  let bytes = 0;
  let disorder = 0;
  const follow = () =>
    new Promise<void>((resolve, reject) => {
      let count = 0;
      let last = 0;
      let rest = '';
      const request = get(url, { agent: false }, response => {
        if (response.statusCode !== 200) return reject(new Error(`HTTP ${response.statusCode}`));
        response.setEncoding('latin1');
        response.on('data', (chunk: string) => {
          bytes += chunk.length;
          const text = rest + chunk;
          const lastBreak = text.lastIndexOf('\n\n');
          // A chunk may hold no end of an event at all.
          const end = lastBreak < 0 ? 0 : lastBreak + 2;
          rest = text.slice(end);
          for (const [, position] of text.slice(0, end).matchAll(PLACE)) {
            if (Number(position) <= last) disorder += 1;
            last = Number(position);
            count += 1;
          }
          if (count < events) return;
          resolve();
          request.destroy();
        });
      });
      request.on('error', error => (count < events ? reject(error) : undefined));
    });
  await Promise.all(Array.from({ length: followers }, follow));
  return { seconds: (performance.now() - startedMs) / 1_000, bytes, disorder };
}
