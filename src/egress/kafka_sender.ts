// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Takes lines out of outboxes and sends them to Kafka, each kind to its topic, as long as there are any. Whatever goes
 * wrong is said once and tried again with growing pauses; what is wrong with one topic does not stop the others.
 */
import { messageOf } from "../core/errors.ts";
import type { Outbox, TakenLines } from "./outbox.ts";

export interface KafkaOptions {
  readonly brokers: readonly string[];
  readonly compression: "none" | "gzip" | "snappy" | "zstd";
  /** Key of every message: the lines of a host stay in one partition, and so in order. */
  readonly key: string;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: {
    readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    readonly username: string;
    readonly password: string;
  };
}

export interface KafkaFailure {
  /** `too_large`: the broker will never take it; `topic`: this topic is not to be had. */
  readonly kind: "too_large" | "topic" | "connection";
  /** It may be stored nevertheless. */
  readonly inDoubt: boolean;
  readonly reason: string;
}

/** A connection that can send. */
export interface Producing {
  /** Resolves when the broker has stored all values. */
  send(topic: string, values: readonly Uint8Array<ArrayBuffer>[], repeated: boolean): Promise<void>;
  close(): Promise<void>;
}

export interface KafkaClient {
  connect(): Promise<Producing>;
  failureOf(error: unknown): KafkaFailure;
}

/** One kind of lines and where it goes. */
export interface KafkaStream {
  readonly outbox: Outbox;
  readonly topic: string;
}

export interface KafkaSenderOptions {
  /** Loads the package that speaks to Kafka. */
  readonly client: () => Promise<KafkaClient>;
  /** The most important first. */
  readonly streams: readonly KafkaStream[];
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Time that lines wait for more lines. */
  readonly lingerMs: number;
  readonly firstPauseMs?: number;
  readonly changed: (text: string, works: boolean) => void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;
/** For lines that wait when the agent ends; the others stay in the spool. */
const FLUSH_MS = 700;
const CLOSE_MS = 300;
const NEWLINE = 10;

/** When something that failed is tried again. */
class Pause {
  until = 0;
  #ms = 0;

  constructor(readonly firstMs: number) {}

  longer(): void {
    this.#ms = Math.min(this.#ms * 2 || this.firstMs, LONGEST_PAUSE_MS);
    this.until = performance.now() + this.#ms;
  }

  over(): void {
    this.#ms = 0;
    this.until = 0;
  }
}

export class KafkaSender {
  readonly #options: KafkaSenderOptions;
  readonly #pauses = new Map<KafkaStream, Pause>();
  readonly #connecting: Pause;
  readonly #failing = new Set<string>();
  #client: KafkaClient | undefined;
  #producing: Producing | undefined;
  #awake = Promise.withResolvers<void>();
  #work: Promise<void> | undefined;
  #closing = false;
  #deadline = Infinity;

  constructor(options: KafkaSenderOptions) {
    this.#options = options;
    const first = options.firstPauseMs ?? FIRST_PAUSE_MS;
    this.#connecting = new Pause(first);
    for (const stream of options.streams) this.#pauses.set(stream, new Pause(first));
  }

  start(): void {
    this.#work = this.#run();
  }

  /** There is something to take. */
  wake(): void {
    this.#awake.resolve();
  }

  /** Sends what it can in a short time; what is left stays where it is. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#deadline = performance.now() + FLUSH_MS;
    this.wake();
    const giveUp = Promise.withResolvers<void>();
    const timer = setTimeout(giveUp.resolve, FLUSH_MS);
    await Promise.race([this.#work, giveUp.promise]);
    clearTimeout(timer);
    this.#deadline = 0;
    this.wake();
    await Promise.all(this.#options.streams.map(({ outbox }) => outbox.close()));
    await within(CLOSE_MS, this.#disconnect());
  }

  async #run(): Promise<void> {
    while (performance.now() < this.#deadline) {
      const now = performance.now();
      const ready = this.#options.streams.filter(({ outbox }) => outbox.ready);
      const stream = ready.find((candidate) => this.#pauses.get(candidate)!.until <= now);
      if (stream !== undefined && this.#connecting.until <= now) {
        if (await this.#connected()) await this.#sendGuarded(stream);
        continue;
      }
      if (this.#closing) return; // what is left waits for a broker that is away
      await this.#sleep(this.#nextTry(ready, now) - now);
    }
  }

  #nextTry(ready: readonly KafkaStream[], now: number): number {
    if (ready.length === 0) return Infinity;
    const first = Math.min(...ready.map((stream) => this.#pauses.get(stream)!.until));
    return Math.max(first, this.#connecting.until, now);
  }

  async #sleep(ms: number): Promise<void> {
    const { lingerMs } = this.#options;
    const timer = ms === Infinity ? undefined : setTimeout(() => this.wake(), ms);
    await this.#awake.promise;
    clearTimeout(timer);
    this.#awake = Promise.withResolvers<void>();
    if (lingerMs > 0 && !this.#closing) await new Promise((done) => setTimeout(done, lingerMs));
  }

  async #connected(): Promise<boolean> {
    if (this.#producing !== undefined) return true;
    try {
      this.#client ??= await this.#options.client();
      this.#producing = await this.#client.connect();
    } catch (error) {
      this.#connecting.longer();
      this.#online(false);
      this.#tell("connection", false, `Cannot connect to Kafka: ${this.#reasonOf(error)}`);
      return false;
    }
    this.#connecting.over();
    this.#online(true);
    this.#tell("connection", true, "Connected to Kafka");
    return true;
  }

  /** What the spool refuses to give or to forget now, it may not refuse later. */
  async #sendGuarded(stream: KafkaStream): Promise<void> {
    const { topic } = stream;
    try {
      await this.#sendFrom(stream);
      this.#tell(`spool of ${topic}`, true, `The spool of topic "${topic}" can be read again`);
    } catch (error) {
      this.#pauses.get(stream)!.longer();
      const reason = messageOf(error);
      this.#tell(`spool of ${topic}`, false, `Cannot read the spool of "${topic}": ${reason}`);
    }
  }

  async #sendFrom(stream: KafkaStream): Promise<void> {
    const { outbox, topic } = stream;
    const pause = this.#pauses.get(stream)!;
    const taken = await outbox.take(this.#options.maxBytes);
    if (taken === undefined) return;
    try {
      await this.#sendLines(topic, taken);
      pause.over();
      this.#tell(topic, true, `Kafka takes lines for topic "${topic}" again`);
      if (taken.lostLines > 0) {
        this.#options.changed(`Kafka refuses a message of topic "${topic}" as too large`, false);
      }
      await outbox.sent();
      outbox.online = true;
    } catch (error) {
      const { kind, inDoubt, reason } = this.#client!.failureOf(error);
      await outbox.failed(inDoubt);
      this.#tell(topic, false, `Kafka does not take lines for topic "${topic}": ${reason}`);
      pause.longer();
      outbox.online = false;
      if (kind === "topic" && !inDoubt) return;
      this.#online(false);
      // An idempotent producer that missed an answer may be out of step: another one begins anew.
      await within(CLOSE_MS, this.#disconnect());
    }
  }

  /** Sends all lines in messages of allowed size, and counts those that no broker will take. */
  async #sendLines(topic: string, taken: TakenLines): Promise<void> {
    const values = splitLines(taken.bytes, taken.sentBytes);
    const { maxMessages, maxBytes } = this.#options;
    for (let at = 0; at < values.length;) {
      const end = portionEnd(values, at, maxMessages, maxBytes);
      await this.#sendPortion(topic, values.slice(at, end), taken);
      at = end;
    }
  }

  /** A portion that is too large for the broker is halved, until it is a single message. */
  async #sendPortion(
    topic: string,
    values: readonly Uint8Array<ArrayBuffer>[],
    taken: TakenLines,
  ): Promise<void> {
    try {
      await this.#producing!.send(topic, values, taken.repeated);
    } catch (error) {
      const { kind, inDoubt } = this.#client!.failureOf(error);
      if (kind !== "too_large" || inDoubt) throw error;
      if (values.length > 1) {
        const middle = values.length >> 1;
        await this.#sendPortion(topic, values.slice(0, middle), taken);
        return await this.#sendPortion(topic, values.slice(middle), taken);
      }
      taken.lostLines++;
    }
    taken.sentBytes += values.reduce((sum, { length }) => sum + length + 1, 0);
  }

  #online(online: boolean): void {
    for (const { outbox } of this.#options.streams) outbox.online = online;
  }

  #reasonOf(error: unknown): string {
    if (this.#client !== undefined) return this.#client.failureOf(error).reason;
    return messageOf(error);
  }

  async #disconnect(): Promise<void> {
    const producing = this.#producing;
    this.#producing = undefined;
    await producing?.close().catch(() => {}); // it is of no use any more
  }

  /** Says that something stopped or began to work, not that it still does. */
  #tell(what: string, works: boolean, text: string): void {
    const failing = this.#failing.has(what);
    if (works !== failing) return;
    if (works) this.#failing.delete(what);
    else this.#failing.add(what);
    const waiting = this.#options.streams.reduce((sum, { outbox }) => sum + outbox.waiting, 0);
    this.#options.changed(`${text}; ${waiting} lines wait`, works);
  }
}

/** The lines behind the first `from` bytes, without their ends. */
function splitLines(bytes: Uint8Array<ArrayBuffer>, from: number): Uint8Array<ArrayBuffer>[] {
  const lines: Uint8Array<ArrayBuffer>[] = [];
  for (let start = from; start < bytes.length;) {
    const found = bytes.indexOf(NEWLINE, start);
    const end = found < 0 ? bytes.length : found;
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

/** Bytes that a message has beside its value: key, lengths, deltas, a header. */
const MESSAGE_OVERHEAD_BYTES = 80;

function portionEnd(
  values: readonly Uint8Array[],
  from: number,
  maxMessages: number,
  maxBytes: number,
): number {
  let bytes = 0;
  let end = from;
  while (end < values.length && end - from < maxMessages) {
    bytes += values[end]!.length + MESSAGE_OVERHEAD_BYTES;
    if (bytes > maxBytes && end > from) break;
    end++;
  }
  return end;
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  await Promise.race([work, late.promise]);
  clearTimeout(timer);
}
