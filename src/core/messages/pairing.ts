// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Pairs the requests of one connection with their responses: by the protocol's own numbers where it has such, and
 * otherwise in order. What cannot be paired for certain is counted, never guessed. Memory: 16 bytes for each request
 * that waits, of which there are MAX_WAITING; about 100 where they have numbers.
 */
import type { TopicSide } from "./topic_counts.ts";

/** Whose fault an answer says that it was. */
export type Fault = "" | "client" | "server";

/** What is told about messages. `operation` is one of a bounded set of names. */
export interface MessageSink {
  /** `mark` is the same for a request that is sent on as it came; the protocol may give none. */
  asked(operation: string, mark?: number): void;
  /** `latency` in ns; `code` is a short name for the kind of answer, or empty. */
  answered(operation: string, latency: number, fault: Fault, code: string): void;
  /** So many requests or responses have no partner that is known. */
  unpaired(count: number): void;
  /** So many messages of a broker went to a topic, or came from it. */
  carried?(side: TopicSide, topic: string, count: number): void;
}

const MAX_WAITING = 256;
/** Below this many answered entries at the front of the queue they are not worth being moved away. */
const SHIFT_ENTRIES = 64;
/** After a miss, whoever asks while others wait is believed only when nobody has said anything for so long: ns. */
const QUIET = 1e9;

interface Waiting {
  readonly operation: string;
  readonly time: number;
}

export class Pairing {
  /** Nothing more can be told of this connection: it is encrypted, or speaks another protocol from now on. */
  ended = false;
  readonly #sink: MessageSink;
  #operations: string[] = [];
  #times: number[] = [];
  #first = 0;
  /** Made when the first request with a number comes. */
  #numbered: Map<number, Waiting> | undefined;
  /** Requests or answers were missed: the next answers may be somebody else's ... */
  #unsure = false;
  /** ... until the requester has heard something and asks anew. */
  #heard = false;
  #heardTime = 0;
  /** Somebody asked since the last answer; and before the present piece. */
  #asking = false;
  #askedBefore = false;
  /** The requester asks before all of its former pieces were answered: hearing one answer tells it little. */
  #overlaps = false;

  constructor(sink: MessageSink) {
    this.#sink = sink;
  }

  /** Requests without an answer. */
  get waiting(): number {
    return this.#operations.length - this.#first + (this.#numbered?.size ?? 0);
  }

  /** The connection is seen from somewhere in its middle. */
  joined(): void {
    this.#unsure = true;
    this.#heard = false;
  }

  /** The next piece of the requester comes. */
  turn(): void {
    this.#askedBefore = this.#asking || this.#operations.length > 0;
  }

  asked(operation: string, time: number, mark = 0): void {
    this.#sink.asked(operation, mark);
    if (this.#askedBefore) this.#overlaps = true;
    this.#asking = true;
    if (this.#unsure && !this.#isSettled(time)) return this.#sink.unpaired(1);
    this.#unsure = false;
    if (this.waiting >= MAX_WAITING) return this.missedRequests();
    this.#operations.push(operation);
    this.#times.push(time);
  }

  #isSettled(time: number): boolean {
    return this.#heard && (!this.#overlaps || time - this.#heardTime >= QUIET);
  }

  answered(time: number, fault: Fault, code = ""): void {
    this.#hear(time);
    if (this.#operations.length === 0) return this.#sink.unpaired(1);
    const operation = this.#operations[this.#first]!;
    const latency = Math.max(0, time - this.#times[this.#first]!);
    this.#first++;
    if (this.#first === this.#operations.length) this.#clear();
    else if (this.#first >= SHIFT_ENTRIES) this.#shift();
    this.#sink.answered(operation, latency, fault, code);
  }

  #hear(time: number): void {
    this.#heard = true;
    this.#heardTime = time;
    this.#asking = false;
  }

  /** A request that its answer names. */
  askedAs(number: number, operation: string, time: number): void {
    this.#sink.asked(operation);
    this.#numbered ??= new Map();
    if (this.#numbered.delete(number)) this.#sink.unpaired(1);
    for (const oldest of this.#numbered.keys()) {
      if (this.#numbered.size < MAX_WAITING) break;
      this.#numbered.delete(oldest);
      this.#sink.unpaired(1);
    }
    this.#numbered.set(number, { operation, time });
  }

  /** What was asked with this number; undefined: that is not known. */
  askedWith(number: number): string | undefined {
    return this.#numbered?.get(number)?.operation;
  }

  answeredAs(number: number, time: number, fault: Fault, code = ""): void {
    const asked = this.#numbered?.get(number);
    if (asked === undefined) return this.#sink.unpaired(1);
    this.#numbered!.delete(number);
    this.#sink.answered(asked.operation, Math.max(0, time - asked.time), fault, code);
  }

  carried(side: TopicSide, topic: string, count: number): void {
    this.#sink.carried?.(side, topic, count);
  }

  /** A request that nobody answers. */
  told(operation: string): void {
    this.#sink.asked(operation);
  }

  /** The operation that is answered next; undefined: nobody waits. */
  get next(): string | undefined {
    return this.#operations[this.#first];
  }

  /** Requests went by that could not be read: those that wait are still answered first. */
  missedRequests(): void {
    if (this.#askedBefore) this.#overlaps = true;
    this.#unsure = true;
    this.#heard = false;
    this.#asking = true;
    this.#sink.unpaired(1);
  }

  /** Answers went by that could not be read: whoever still waits may have been answered. */
  missedResponses(time: number): void {
    this.#unsure = true;
    this.#hear(time);
    const waiting = this.#operations.length - this.#first;
    if (waiting > 0) this.#sink.unpaired(waiting);
    this.#clear();
  }

  /** Nobody knows what went by, nor who said it. */
  missedAny(time: number): void {
    this.missedResponses(time);
    this.joined();
    this.#sink.unpaired(1);
  }

  #clear(): void {
    this.#operations.length = 0;
    this.#times.length = 0;
    this.#first = 0;
  }

  #shift(): void {
    this.#operations.splice(0, this.#first);
    this.#times.splice(0, this.#first);
    this.#first = 0;
  }
}
