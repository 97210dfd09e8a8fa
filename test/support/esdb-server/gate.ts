/**
 * The network before a node: a port that stays the same, by way of which clients reach it. Frozen, it is a host that
 * was stopped in the middle: connections stay open and new ones are taken by the kernel, nothing passes, and what was
 * sent meanwhile arrives when it goes on. Shut, it is a process that died: every connection breaks, none is taken.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

interface Link {
  readonly near: Socket;
  far: Socket | undefined;
}

export class Gate {
  readonly #links = new Set<Link>();
  readonly #server = createServer(near => this.#take(near));
  #targetPort = 0;
  #isFrozen = false;
  #port = 0;

  get port(): number {
    return this.#port;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** @param targetPort where the node listens by itself */
  async open(targetPort: number): Promise<void> {
    this.#targetPort = targetPort;
    this.#isFrozen = false;
    if (this.#server.listening) return;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  freeze(): void {
    this.#isFrozen = true;
    for (const { near, far } of this.#links) {
      near.pause();
      far?.pause();
    }
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const link of this.#links) {
      if (!link.far) this.#connect(link);
      link.near.resume();
      link.far?.resume();
    }
  }

  /** Breaks every connection; new ones are taken, if it is open. */
  cut(): void {
    for (const { near, far } of this.#links) {
      near.resetAndDestroy();
      far?.destroy();
    }
  }

  async shut(): Promise<void> {
    const closed = this.#server.listening && new Promise(resolve => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #take(near: Socket): void {
    const link: Link = { near, far: undefined };
    this.#links.add(link);
    near.on('error', () => undefined);
    near.on('close', () => {
      this.#links.delete(link);
      link.far?.destroy();
    });
    near.pause();
    if (!this.#isFrozen) this.#connect(link);
  }

  #connect(link: Link): void {
    const { near } = link;
    const far = connect(this.#targetPort, '127.0.0.1');
    link.far = far;
    far.setNoDelay();
    near.setNoDelay();
    far.on('error', () => undefined);
    far.on('close', () => near.destroy());
    near.on('data', chunk => this.#pass(near, far, chunk));
    far.on('data', chunk => this.#pass(far, near, chunk));
    near.on('end', () => far.end());
    far.on('end', () => near.end());
    // Taken while paused, so that nothing is lost before somebody listens.
    near.resume();
  }

  /** No faster than it is taken. */
  #pass(from: Socket, to: Socket, chunk: Buffer): void {
    if (to.write(chunk)) return;
    from.pause();
    to.once('drain', () => {
      if (!this.#isFrozen) from.resume();
    });
  }
}
