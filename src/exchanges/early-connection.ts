/**
 * An agent whose next connection can be opened before there is a request for it.
 *
 * A connector knows that it will call the exchange as soon as it begins to look its state up. DNS, TCP and TLS take
 * as long as that lookup or longer, and neither needs the other. So the connection is opened at the beginning, kept
 * aside, and given to the first request that asks the agent for a new one, ready or still on its way.
 *
 * While it is kept aside nothing is sent, nobody waits for it (the process may end), and its failure is nobody's: the
 * request opens another one and tells what comes of that.
 */
import type { Agent, ClientRequestArgs } from 'node:http';
import { isIP, type Socket } from 'node:net';

export interface EarlyConnection {
  /** Opens one, unless one is open and idle. */
  open(url: URL): void;
  /** Whether bytes written now would go out now: TCP, and TLS where there is one, have been agreed on. */
  isReady(socket: Socket): boolean;
  /** Ends the one kept aside. */
  close(): void;
}

type ConnectionOptions = ClientRequestArgs & { readonly servername?: string };

/** A request must never reach a host that it was not meant for. */
const peerOf = ({ host, port }: ConnectionOptions) => `${host} ${port}`;

/** What an agent that keeps its connections alive sets for each. */
const AS_THE_AGENT = { keepAlive: true, noDelay: true };

/**
 * @param agent of its `createConnection` alone the behaviour changes
 * @param readyEvent what its sockets emit when they are ready
 */
export function withEarlyConnection(agent: Agent, readyEvent: 'connect' | 'secureConnect'): EarlyConnection {
  const connect = agent.createConnection.bind(agent);
  const openConnection = (options: ConnectionOptions) => connect(options) as Socket;
  /** A TLS socket no longer says `connecting` while it shakes hands. */
  const onTheirWay = new WeakSet<Socket>();
  let kept: { readonly socket: Socket; readonly peer: string } | undefined;

  agent.createConnection = options => {
    if (!kept || kept.socket.destroyed || kept.peer !== peerOf(options)) return openConnection(options);
    const { socket } = kept;
    kept = undefined;
    socket.ref();
    return socket;
  };

  return {
    open(url) {
      if (kept || Object.keys(agent.freeSockets).length > 0) return;
      // As a URL has it, an IPv6 address stands in brackets; a server is named to TLS unless it is an address.
      const host = url.hostname.replace(/^\[|\]$/g, '');
      const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
      const servername = isIP(host) ? '' : host;
      const options: ConnectionOptions = { ...AS_THE_AGENT, host, port, servername };
      const socket = openConnection(options);
      kept = { socket, peer: peerOf(options) };
      onTheirWay.add(socket);
      socket.unref();
      socket.once(readyEvent, () => onTheirWay.delete(socket));
      socket.on('error', () => undefined);
      socket.once('close', () => {
        if (kept?.socket === socket) kept = undefined;
      });
    },
    isReady: socket => !socket.connecting && !onTheirWay.has(socket),
    close() {
      kept?.socket.destroy();
    },
  };
}
