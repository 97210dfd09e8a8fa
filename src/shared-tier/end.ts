/** Lets a client go, whatever has become of it. */
export function end(client: { destroy(): unknown } | undefined): void {
  try {
    client?.destroy();
  } catch {
    // It was never open.
  }
}
