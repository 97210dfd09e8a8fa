/**
 * One conversation with a server over the bare stubs: every call is noted with what was asked and what was answered,
 * in a form that two servers can be compared by. Ids and names carry the run, so that talks never meet.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { BatchAppendResp, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { credentials, type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { answerOf, batchAnswerOf } from './answers.js';
import { protocol } from './messages.js';

const { Empty, StreamIdentifier, UUID, StreamsClient, ServerFeaturesClient } = protocol;
const { AppendReq, BatchAppendReq, DeleteReq, ReadReq, TombstoneReq } = protocol;

export type Expected = number | 'any' | 'none' | 'exists';

export interface EventToSend {
  /** The n-th id of this talk. */
  readonly id: number;
  readonly type?: string;
  readonly data?: string;
}

export interface Write {
  readonly stream: string;
  readonly expected: Expected;
  readonly events?: readonly EventToSend[];
  /** The events in several messages instead. */
  readonly parts?: readonly (readonly EventToSend[])[];
}

export interface Place {
  readonly commit: string | bigint;
  readonly prepare: string | bigint;
}

export interface Reading {
  readonly stream?: string;
  readonly from?: number | 'start' | 'end' | Place;
  readonly back?: boolean;
  readonly count?: number;
  /** Filters `$all` by the start of streams' names. */
  readonly prefix?: string;
  /** How many events a filtered subscription looks at in one go, and after how many such goes it says so. */
  readonly window?: number;
  readonly every?: number;
}

export type Answer = Readonly<Record<string, unknown>>;

export interface Exchange {
  readonly answers: unknown;
}

export const many = (from: number, count: number, extra: Partial<EventToSend> = {}): EventToSend[] =>
  Array.from({ length: count }, (_, index) => ({ id: from + index, ...extra }));

let talks = 0;
/** Long enough for a server on this machine to say what it has yet to say. */
const SILENCE_MS = 150;

export class Talk {
  readonly exchanges: Exchange[] = [];
  readonly #run: string;
  readonly #number = ++talks;
  readonly #streams: InstanceType<typeof StreamsClient>;
  readonly #features: InstanceType<typeof ServerFeaturesClient>;

  constructor(address: string, run: string) {
    this.#run = run;
    this.#streams = new StreamsClient(address, credentials.createInsecure());
    this.#features = new ServerFeaturesClient(address, credentials.createInsecure());
  }

  close(): void {
    this.#streams.close();
    this.#features.close();
  }

  async silence(): Promise<void> {
    await pause(SILENCE_MS);
  }

  supportedMethods(): Promise<unknown> {
    return this.#unary(
      done => this.#features.getSupportedMethods(new Empty(), done),
      response => {
        const methods = response.getMethodsList().map((method: never) => describe(method));
        const isOurs = (text: string) => /streams|gossip|serverfeatures/i.test(text);
        return { version: response.getEventStoreServerVersion(), methods: methods.filter(isOurs).sort() };
      },
    );
  }

  append({ stream, expected, events = [] }: Write): Promise<unknown> {
    return this.#unary(done => {
      const call = this.#streams.append(done);
      const options = new AppendReq.Options();
      options.setStreamIdentifier(this.#stream(stream));
      expect(options, expected);
      call.write(new AppendReq().setOptions(options));
      for (const event of events) {
        const message = this.#proposed(new AppendReq.ProposedMessage(), event);
        call.write(new AppendReq().setProposedMessage(message));
      }
      call.end();
    });
  }

  /** One long call; writes go one after another, each answered by its correlation id. */
  async batchAppend(writes: readonly Write[]): Promise<void> {
    const call = this.#streams.batchAppend();
    const answers: unknown[] = [];
    call.on('error', (error: ServiceError) => {
      if (error.code !== status.CANCELLED) answers.push(this.#failure(error));
    });
    call.on('data', (response: BatchAppendResp) => answers.push(batchAnswerOf(response, this.#run)));
    for (const [index, write] of writes.entries()) {
      const parts = write.parts ?? [write.events ?? []];
      for (const [part, events] of parts.entries()) {
        const request = new BatchAppendReq();
        request.setCorrelationId(uuid(`00000000-0000-4000-8000-${String(index).padStart(12, '0')}`));
        if (part === 0) {
          const options = new BatchAppendReq.Options();
          options.setStreamIdentifier(this.#stream(write.stream));
          expect(options, write.expected);
          request.setOptions(options);
        }
        const proposed = events.map(event => this.#proposed(new BatchAppendReq.ProposedMessage(), event));
        request.setProposedMessagesList(proposed).setIsFinal(part === parts.length - 1);
        call.write(request);
      }
      await until(() => answers.length > index);
    }
    call.cancel();
    this.exchanges.push({ answers });
  }

  async read(reading: Reading): Promise<Answer[]> {
    const answers = await this.peek(reading);
    this.exchanges.push({ answers });
    return answers;
  }

  /** A read that is no part of what is compared. */
  peek(reading: Reading): Promise<Answer[]> {
    return new Promise(resolve => {
      const answers: Answer[] = [];
      const call = this.#streams.read(this.#request(reading));
      call.on('data', (response: ReadResp) => answers.push(answerOf(response, this.#run)));
      call.on('error', (error: ServiceError) => resolve([...answers, this.#failure(error)]));
      call.on('end', () => resolve(answers));
    });
  }

  /** @param during gets the list that grows, and the call; @param summarise what of the answers is compared */
  async subscribe(
    reading: Reading,
    during: (answers: readonly Answer[], call: { pause(): unknown; resume(): unknown }) => Promise<unknown>,
    summarise: (answers: readonly Answer[]) => unknown = answers => answers,
  ): Promise<void> {
    const answers: Answer[] = [];
    const call = this.#streams.read(this.#request(reading, true));
    call.on('data', (response: ReadResp) => answers.push(answerOf(response, this.#run)));
    call.on('error', (error: ServiceError) => {
      if (error.code !== status.CANCELLED) answers.push(this.#failure(error));
    });
    await during(answers, call);
    this.exchanges.push({ answers: summarise([...answers]) });
    call.cancel();
  }

  remove(kind: 'delete' | 'tombstone', stream: string, expected: Expected = 'any'): Promise<unknown> {
    const Request = kind === 'delete' ? DeleteReq : TombstoneReq;
    const options = new Request.Options();
    options.setStreamIdentifier(this.#stream(stream));
    expect(options, expected);
    return this.#unary(done =>
      this.#streams[kind](new Request().setOptions(options as never) as never, done),
    );
  }

  setMetadata(stream: string, data: string, id: number): Promise<unknown> {
    return this.append({ stream: `$$${stream}`, expected: 'any', events: [{ id, type: '$metadata', data }] });
  }

  // biome-ignore lint/suspicious/noExplicitAny: the stubs’ callbacks differ by call
  #unary(call: (done: any) => unknown, summarise = (response: any): unknown => response.toObject()) {
    return new Promise(resolve => {
      call((error: ServiceError | null, response: unknown) => {
        const answer = error ? this.#failure(error) : summarise(response);
        this.exchanges.push({ answers: [answer] });
        resolve(answer);
      });
    });
  }

  #failure({ code, details, metadata }: ServiceError): Answer {
    const isOfTransport = (key: string) =>
      ['date', 'server', 'content-type', 'grpc-status-details-bin'].includes(key);
    const trailers = Object.entries((metadata as Metadata).getMap()).filter(([key]) => !isOfTransport(key));
    const plain = (text: string) => text.replaceAll(this.#run, 'RUN');
    return {
      code: status[code],
      details: plain(details),
      trailers: Object.fromEntries(trailers.map(([key, value]) => [key, plain(String(value))])),
    };
  }

  #stream(name: string) {
    const nameOf = (it: string): string =>
      it.startsWith('$$') ? `$$${nameOf(it.slice(2))}` : `talk-${it}-${this.#run}`;
    return new StreamIdentifier().setStreamName(Buffer.from(nameOf(name)));
  }

  // biome-ignore lint/suspicious/noExplicitAny: the same three setters on two classes of message
  #proposed(message: any, { id, type = 'Said', data = '{"n":1}' }: EventToSend) {
    const talk = String(this.#number).padStart(4, '0');
    message.setId(uuid(`${this.#run}-${talk}-4000-8000-${String(id).padStart(12, '0')}`));
    message.getMetadataMap().set('type', type).set('content-type', 'application/json');
    return message.setData(Buffer.from(data)).setCustomMetadata(Buffer.from('{"m":1}'));
  }

  #request(
    { stream, from = 'start', back = false, count = 100, prefix, window = 32, every = 1 }: Reading,
    isSubscription = false,
  ) {
    const { Options } = ReadReq;
    const options = new Options();
    const source = stream === undefined ? new Options.AllOptions() : new Options.StreamOptions();
    if (from === 'start') source.setStart(new Empty());
    else if (from === 'end') source.setEnd(new Empty());
    else if (source instanceof Options.StreamOptions) source.setRevision(String(from));
    else {
      const { commit, prepare } = from as Place;
      const position = new Options.Position();
      source.setPosition(position.setCommitPosition(String(commit)).setPreparePosition(String(prepare)));
    }
    if (source instanceof Options.StreamOptions)
      options.setStream(source.setStreamIdentifier(this.#stream(stream as string)));
    else options.setAll(source);
    const { BACKWARDS, FORWARDS } = Options.ReadDirection;
    options.setReadDirection(back ? BACKWARDS : FORWARDS).setResolveLinks(false);
    if (isSubscription) options.setSubscription(new Options.SubscriptionOptions());
    else options.setCount(String(count) as never);
    if (prefix === undefined) options.setNoFilter(new Empty());
    else {
      const expression = new Options.FilterOptions.Expression();
      expression.setPrefixList([prefix.startsWith('talk-') ? `${prefix}-${this.#run}` : prefix]);
      const filter = new Options.FilterOptions().setStreamIdentifier(expression).setMax(window);
      options.setFilter(filter.setCheckpointintervalmultiplier(every));
    }
    options.setUuidOption(new Options.UUIDOption().setString(new Empty()));
    options.setControlOption(new Options.ControlOption().setCompatibility(1));
    return new ReadReq().setOptions(options);
  }
}

export async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!isSo() && performance.now() < deadline) await pause(2);
}

const uuid = (text: string) => new UUID().setString(text);

// biome-ignore lint/suspicious/noExplicitAny: options of four kinds of request
function expect(options: any, expected: Expected): void {
  if (expected === 'any') options.setAny(new Empty());
  else if (expected === 'none') options.setNoStream(new Empty());
  else if (expected === 'exists') options.setStreamExists(new Empty());
  else if (options.setStreamPosition) options.setStreamPosition(String(expected));
  else options.setRevision(String(expected));
}

const describe = (method: {
  getServiceName(): string;
  getMethodName(): string;
  getFeaturesList(): string[];
}): string => `${method.getServiceName()}/${method.getMethodName()} [${method.getFeaturesList().join()}]`;
