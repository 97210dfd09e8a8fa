/**
 * Whose word a measurement is: `login/machine`, or the machine alone where no login is known.
 *
 * The machine is what the recording process claims (`host:name/process`, of which the processes of one machine are one
 * witness; a sandbox with a name of its own is one too, unlike in machine.ts, which names machines for people to look
 * at). The login is what the event store itself has put down: PostgreSQL does, EventStoreDB tells it nobody, and events of
 * before had none. So a name with a slash in it is one that the store stands for: a claimed one is cut at its first.
 *
 * Machines of one login are witnesses of their own: most deployments have one login, and it is their machines that err. But
 * a login can invent machines, so that where several speak the machines of one settle nothing against the others'
 * (shared-clock.ts).
 */

/** @param host as the event says it @param login as the store says it */
export const witnessOf = (host: string, login?: string | undefined): string => {
  const slash = host.indexOf('/');
  const machine = slash < 0 ? host : host.slice(0, slash);
  return login === undefined ? machine : `${login}/${machine}`;
};

/** A machine's name has no slash; a login's may. */
export const machineIn = (witness: string): string => witness.slice(witness.lastIndexOf('/') + 1);

/** Empty where none is known. */
export const loginIn = (witness: string): string => witness.slice(0, Math.max(0, witness.lastIndexOf('/')));

/** Whom an operator does not believe; see distrust.ts. */
export interface Distrusted {
  /** The machine, with `host:` before it or without. */
  readonly host: string;
  /** Left out: under whatever login it speaks. */
  readonly login?: string | undefined;
}

/** As people write it. */
export const nameOf = (host: string): string => host.replace(/^host:/, '');

export const isNamed = ({ host, login }: Distrusted, witness: string): boolean =>
  nameOf(machineIn(witness)) === nameOf(host) && (login === undefined || loginIn(witness) === login);

export const isRefused = (refused: readonly Distrusted[] | undefined, witness: string): boolean =>
  refused?.some(one => isNamed(one, witness)) ?? false;
