// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Takes lines out of outboxes and sends them to a place: each kind to its target, a topic of Kafka or a path of a
 * collector. Whatever goes wrong is said once and tried again with growing pauses; what is wrong with one target does
 * not stop the others.
 */
import { messageOf } from "../core/errors.ts";
import type { LineSink } from "./line_sink.ts";
import type { Outbox, TakenLines } from "./outbox.ts";

export interface SendFailure {
  /**
   * `too_large`: the place will never take it; `refused`: nor will it take any part of it; `target`: this target is not
   * to be had now; `connection`: the place is not.
   */
  readonly kind: "too_large" | "refused" | "target" | "connection";
  /** It may be stored nevertheless. */
  readonly inDoubt: boolean;
  readonly reason: string;
  /** The place asks not to be tried before. */
  readonly retryAfterMs?: number;
}

/** What the place did not take of lines that arrived. */
export interface Refusal {
  readonly lines: number;
  readonly reason: string;
}

/** A connection that can send. */
export interface Carrying {
  /** Resolves when the place has stored all values, but for those that it refuses for good. */
  send(
    target: string,
    values: readonly Uint8Array<ArrayBuffer>[],
    repeated: boolean,
  ): Promise<Refusal | undefined>;
  close(): Promise<void>;
}

export interface Carrier {
  connect(): Promise<Carrying>;
  failureOf(error: unknown): SendFailure;
}

/** One kind of lines and where it goes. */
export interface LineStream {
  readonly outbox: Outbox;
  readonly target: string;
  /** What the target is called in messages. */
  readonly called: string;
}

export interface LineSenderOptions {
  /** What the place is called in messages. */
  readonly place: string;
  /** Loads the package that speaks to the place. */
  readonly carrier: () => Promise<Carrier>;
  /** The most important first. */
  readonly streams: readonly LineStream[];
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Time that lines wait for more lines. */
  readonly lingerMs: number;
  readonly firstPauseMs?: number;
  readonly changed: (text: string, works: boolean) => void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;
/** Of a pause that the place asks for. */
const LONGEST_ASKED_MS = 60_000;
/** For lines that wait when the agent ends; the others stay in the spool. */
const FLUSH_MS = 700;
const CLOSE_MS = 300;
const NEWLINE = 10;

/** When something that failed is tried again. */
class Pause {
  until = 0;
  #ms = 0;

  constructor(readonly firstMs: number) {}

  longer(leastMs = 0): void {
    this.#ms = Math.min(this.#ms * 2 || this.firstMs, LONGEST_PAUSE_MS);
    this.until = performance.now() + Math.max(this.#ms, Math.min(leastMs, LONGEST_ASKED_MS));
  }

  over(): void {
    this.#ms = 0;
    this.until = 0;
  }
}

export class LineSender {
  readonly #options: LineSenderOptions;
  readonly #pauses = new Map<LineStream, Pause>();
  readonly #connecting: Pause;
  readonly #failing = new Set<string>();
  #carrier: Carrier | undefined;
  #carrying: Carrying | undefined;
  #awake = Promise.withResolvers<void>();
  #work: Promise<void> | undefined;
  #closing = false;
  #deadline = Infinity;

  constructor(options: LineSenderOptions) {
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

  #nextTry(ready: readonly LineStream[], now: number): number {
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
    if (this.#carrying !== undefined) return true;
    try {
      this.#carrier ??= await this.#options.carrier();
      this.#carrying = await this.#carrier.connect();
    } catch (error) {
      this.#connecting.longer();
      this.#online(false);
      this.#tell(
        "connection",
        false,
        `Cannot connect to ${this.#options.place}: ${this.#reasonOf(error)}`,
      );
      return false;
    }
    this.#connecting.over();
    this.#online(true);
    this.#tell("connection", true, `Connected to ${this.#options.place}`);
    return true;
  }

  /** What the spool refuses to give or to forget now, it may not refuse later. */
  async #sendGuarded(stream: LineStream): Promise<void> {
    const { called } = stream;
    try {
      await this.#sendFrom(stream);
      this.#tell(`spool of ${called}`, true, `The spool of ${called} can be read again`);
    } catch (error) {
      this.#pauses.get(stream)!.longer();
      const text = `Cannot read the spool of ${called}: ${messageOf(error)}`;
      this.#tell(`spool of ${called}`, false, text);
    }
  }

  async #sendFrom(stream: LineStream): Promise<void> {
    const { outbox, called } = stream;
    const { place, maxBytes } = this.#options;
    const pause = this.#pauses.get(stream)!;
    const taken = await outbox.take(maxBytes);
    if (taken === undefined) return;
    try {
      await this.#sendLines(stream, taken);
      pause.over();
      this.#tell(called, true, `${place} takes lines for ${called} again`);
      await outbox.sent();
      outbox.online = true;
    } catch (error) {
      const { kind, inDoubt, reason, retryAfterMs } = this.#carrier!.failureOf(error);
      await outbox.failed(inDoubt);
      this.#tell(called, false, `${place} does not take lines for ${called}: ${reason}`);
      pause.longer(retryAfterMs);
      outbox.online = false;
      if (kind === "target" && !inDoubt) return;
      this.#online(false);
      // An idempotent producer that missed an answer may be out of step: another one begins anew.
      await within(CLOSE_MS, this.#disconnect());
    }
  }

  /** Sends all lines in messages of allowed size, and counts those that the place will never take. */
  async #sendLines(stream: LineStream, taken: TakenLines): Promise<void> {
    const values = splitLines(taken.bytes, taken.sentBytes);
    const { maxMessages, maxBytes, place } = this.#options;
    let refusal: Refusal | undefined;
    for (let at = 0; at < values.length;) {
      const end = portionEnd(values, at, maxMessages, maxBytes);
      refusal = await this.#sendPortion(stream.target, values.slice(at, end), taken) ?? refusal;
      at = end;
    }
    const what = `refusal of ${stream.called}`;
    if (refusal === undefined) {
      this.#tell(what, true, `${place} refuses nothing more of ${stream.called}`);
    } else this.#tell(what, false, `${place} refuses lines of ${stream.called}: ${refusal.reason}`);
  }

  /** A portion that is too large for the place is halved, until it is a single message. */
  async #sendPortion(
    target: string,
    values: readonly Uint8Array<ArrayBuffer>[],
    taken: TakenLines,
  ): Promise<Refusal | undefined> {
    let refusal: Refusal | undefined;
    try {
      refusal = await this.#carrying!.send(target, values, taken.repeated);
    } catch (error) {
      const { kind, inDoubt, reason } = this.#carrier!.failureOf(error);
      if (inDoubt || (kind !== "too_large" && kind !== "refused")) throw error;
      if (kind === "too_large" && values.length > 1) {
        const middle = values.length >> 1;
        const first = await this.#sendPortion(target, values.slice(0, middle), taken);
        return await this.#sendPortion(target, values.slice(middle), taken) ?? first;
      }
      refusal = { lines: values.length, reason };
    }
    taken.lostLines += refusal?.lines ?? 0;
    taken.sentBytes += values.reduce((sum, { length }) => sum + length + 1, 0);
    return refusal;
  }

  #online(online: boolean): void {
    for (const { outbox } of this.#options.streams) outbox.online = online;
  }

  #reasonOf(error: unknown): string {
    if (this.#carrier !== undefined) return this.#carrier.failureOf(error).reason;
    return messageOf(error);
  }

  async #disconnect(): Promise<void> {
    const carrying = this.#carrying;
    this.#carrying = undefined;
    await carrying?.close().catch(() => {}); // it is of no use any more
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

/** The outbox of a sender, which closes it itself when it has sent what it could. */
export function sinkTo(outbox: Outbox): LineSink {
  return {
    push: (bytes, lines) => outbox.push(bytes, lines),
    get stats() {
      return outbox.stats;
    },
    get pressed() {
      return outbox.pressed;
    },
    close: () => Promise.resolve(),
  };
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
