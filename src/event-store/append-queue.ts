/**
 * Group commit: which appends of this process go to the server together, and when.
 *
 * A stream has one group of appends on its way at a time, because each append names the version at which the stream
 * must be. What is appended to it meanwhile waits, and then goes as one: so many writers on one stream cost a
 * round trip together and not one after the other. Appends that share no stream do not wait for each other.
 *
 *   waiting   in the order made; one that waits for a stream holds back those behind it that need its other streams
 *   starting  at the end of the turn of the event loop in which it became possible, so that whoever was just
 *             answered and appends again goes along
 *   under way until the group has come to its end, also for those whose callers no longer wait
 *
 * What is large goes in several groups, so that the server stores one while this process prepares the next. With one
 * group of all that is there each would wait for the other in turn: 16 callers with 100 events each came to 0.82 of the
 * bare client's rate, and come to 1.37 of it so. When enough for a group waits already, it starts before those are
 * answered whose group has just been stored, because what they do next takes this process's time.
 *
 * Where all appends are to one stream (PostgreSQL's log) as many callers as there are would all be in one group, and
 * store and process still work in turn. There a queue begins with half of what waits (`halves`), so that one half is
 * made and encoded while the server stores the other. (4 callers with 100 events each, on a quick disk: 1.3 times as many.)
 *
 * An append that depends on a version, and an import, goes by itself: what becomes of it is nobody else's affair.
 */
export interface Queued {
  readonly streams: ReadonlySet<string>;
  readonly items: readonly unknown[];
  readonly goesAlone: boolean;
  /** Over when nobody waits for it any more: what has not been started then never is. */
  readonly interruption: { readonly isOver: boolean };
}

/** What goes together at most, beside one append that alone is larger. */
const MAX_GROUP_EVENTS = 1_000;
/** So much is worth a group without waiting for more. */
const LARGE_GROUP_EVENTS = 500;

export interface QueueOptions {
  /** Events that are worth a group without waiting for more. Default 500. */
  readonly largeGroupEvents?: number;
  /** With twice as many waiting and nothing under way, only half of them start. */
  readonly halves?: boolean;
}

interface Group<Q> {
  readonly members: Q[];
  eventCount: number;
}

/**
 * Must not reject. The group's streams are its own until it has come to its end.
 * @param release may be called when nothing more will be sent, before the callers are answered. True: another group
 *   has started, and answering may wait until it is on its way
 */
export type RunGroup<Q> = (group: readonly Q[], release: () => boolean) => Promise<void>;

export class AppendQueue<Q extends Queued> {
  readonly #run: RunGroup<Q>;
  readonly #largeGroupEvents: number;
  readonly #halves: boolean;
  readonly #underWay = new Set<string>();
  #waiting: Q[] = [];
  #isScheduled = false;

  constructor(
    run: RunGroup<Q>,
    { largeGroupEvents = LARGE_GROUP_EVENTS, halves = false }: QueueOptions = {},
  ) {
    this.#run = run;
    this.#largeGroupEvents = largeGroupEvents;
    this.#halves = halves;
  }

  add(append: Q): void {
    this.#waiting.push(append);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#start());
  }

  #start(): void {
    this.#isScheduled = false;
    const events = this.#waitingEvents();
    const isToHalve = this.#halves && this.#underWay.size === 0 && events >= 2 * this.#largeGroupEvents;
    this.#send(isToHalve ? Math.ceil(events / 2) : MAX_GROUP_EVENTS);
  }

  #waitingEvents(): number {
    return this.#waiting.reduce((sum, { items }) => sum + items.length, 0);
  }

  #send(maxEvents: number): void {
    const { groups, left } = formGroups(this.#waiting, this.#underWay, Math.min(maxEvents, MAX_GROUP_EVENTS));
    this.#waiting = left;
    for (const members of groups) void this.#sendGroup(members);
  }

  async #sendGroup(members: readonly Q[]): Promise<void> {
    const streams = members.flatMap(member => [...member.streams]);
    for (const stream of streams) this.#underWay.add(stream);
    let isReleased = false;
    const release = () => {
      if (isReleased) return false;
      isReleased = true;
      for (const stream of streams) this.#underWay.delete(stream);
      return this.#startNext();
    };
    await this.#run(members, release);
    release();
  }

  /** @returns whether it has started */
  #startNext(): boolean {
    if (this.#waiting.length === 0 || this.#isScheduled) return false;
    if (this.#waitingEvents() >= this.#largeGroupEvents) {
      this.#send(MAX_GROUP_EVENTS);
      return true;
    }
    this.#isScheduled = true;
    setImmediate(() => this.#start());
    return false;
  }
}

/** @returns what can start now, in groups that share no stream, each in the order made; and what is left */
export function formGroups<Q extends Queued>(
  waiting: readonly Q[],
  underWay: ReadonlySet<string>,
  maxEvents = MAX_GROUP_EVENTS,
): { readonly groups: readonly (readonly Q[])[]; readonly left: Q[] } {
  const groups = new Set<Group<Q>>();
  const byStream = new Map<string, Group<Q>>();
  const taken = new Set(underWay);
  const left: Q[] = [];
  for (const append of waiting) {
    if (append.interruption.isOver) continue;
    const touched = new Set<Group<Q>>();
    let isFree = true;
    for (const stream of append.streams) {
      if (taken.has(stream)) isFree = false;
      const group = byStream.get(stream);
      if (group) touched.add(group);
    }
    const together = [...touched].reduce((sum, group) => sum + group.eventCount, append.items.length);
    if (!isFree || (touched.size > 0 && (append.goesAlone || together > maxEvents))) {
      left.push(append);
      for (const stream of append.streams) taken.add(stream);
      continue;
    }
    const group = join(touched, groups, byStream);
    group.members.push(append);
    group.eventCount += append.items.length;
    for (const stream of append.streams) {
      if (append.goesAlone) taken.add(stream);
      else byStream.set(stream, group);
    }
  }
  return { groups: [...groups].map(({ members }) => members), left };
}

/** One group of all that are touched, or a new one. */
function join<Q extends Queued>(
  touched: ReadonlySet<Group<Q>>,
  groups: Set<Group<Q>>,
  byStream: Map<string, Group<Q>>,
): Group<Q> {
  const [first, ...others] = touched;
  const group = first ?? { members: [], eventCount: 0 };
  groups.add(group);
  for (const other of others) {
    group.members.push(...other.members);
    group.eventCount += other.eventCount;
    groups.delete(other);
    for (const member of other.members) for (const stream of member.streams) byStream.set(stream, group);
  }
  return group;
}
