/**
 * An edge in front of an exchange that answers the question for the time by a clock of its own, and hands everything else
 * on: what is signed is judged, and stamped, by the exchange behind it. Or one server of several, that refuses by a clock of
 * its own.
 */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SdkExchange } from './two-exchanges.js';
import { closing } from './world.js';

const TIME = /\/(market|server)\/time(\?|$)/;

const REFUSAL = {
  BYBIT: (time: number) => ({ retCode: 10_002, retMsg: 'check your server timestamp', result: {}, time }),
  BINGX: (timestamp: number) => ({ code: 100_421, msg: 'timestamp mismatch', timestamp }),
};

export interface Edge {
  readonly url: string;
  /** The next signed request is refused, by a clock that is so far ahead of this host's. */
  refuseNext(aheadMs: number): void;
}

/** @param aheadMs of the edge's clock against the exchange's */
export async function timeByEdge(exchange: SdkExchange, exchangeUrl: string, aheadMs = 0): Promise<Edge> {
  let refusesBy: number | undefined;
  const shifted = (digits: string) => `${Number(digits.slice(0, 13)) + aheadMs}${digits.slice(13)}`;
  const server = createServer((asked, answer) => {
    const { method, headers, url = '/' } = asked;
    if (refusesBy !== undefined && !TIME.test(url)) {
      answer.end(JSON.stringify(REFUSAL[exchange](Date.now() + refusesBy)));
      refusesBy = undefined;
      return;
    }
    const passed = request(new URL(url, exchangeUrl), { method, headers }, async response => {
      const parts: Buffer[] = [];
      for await (const part of response) parts.push(part);
      const body = Buffer.concat(parts).toString();
      const told = TIME.test(url) ? body.replace(/\b\d{13}(\d{6})?\b/g, shifted) : body;
      const { 'content-length': _, ...others } = response.headers;
      answer.writeHead(response.statusCode ?? 502, others).end(told);
    });
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closing({
    close() {
      server.closeAllConnections();
      server.close();
    },
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    refuseNext(byMs) {
      refusesBy = byMs;
    },
  };
}
