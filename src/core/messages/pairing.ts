// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Pairs the requests of one connection with their responses, which come in the same order. What cannot be paired for
 * certain is counted, never guessed. Memory: 16 bytes for each request that waits, of which there are MAX_WAITING.
 */

/** Whose fault an answer says that it was. */
export type Fault = "" | "client" | "server";

/** What is told about messages. `operation` is one of a bounded set of names. */
export interface MessageSink {
  /** `mark` is the same for a request that is sent on as it came; 0 where the protocol gives none. */
  asked(operation: string, mark: number): void;
  /** `latency` in ns; `code` is a short name for the kind of answer, or empty. */
  answered(operation: string, latency: number, fault: Fault, code: string): void;
  /** So many requests or responses have no partner that is known. */
  unpaired(count: number): void;
}

const MAX_WAITING = 4096;
/** Below this many answered entries at the front of the queue they are not worth being moved away. */
const SHIFT_ENTRIES = 64;

export class Pairing {
  /** Nothing more can be told of this connection: it is encrypted, or speaks another protocol from now on. */
  ended = false;
  readonly #sink: MessageSink;
  #operations: string[] = [];
  #times: number[] = [];
  #first = 0;
  /** Requests were missed: the next answers may be theirs ... */
  #unsure = false;
  /** ... until the requester has heard something and asks anew. */
  #heard = false;

  constructor(sink: MessageSink) {
    this.#sink = sink;
  }

  /** Requests without an answer. */
  get waiting(): number {
    return this.#operations.length - this.#first;
  }

  asked(operation: string, time: number, mark = 0): void {
    this.#sink.asked(operation, mark);
    if (this.#unsure && !this.#heard) return this.#sink.unpaired(1);
    this.#unsure = false;
    if (this.waiting >= MAX_WAITING) return this.missedRequests();
    this.#operations.push(operation);
    this.#times.push(time);
  }

  answered(time: number, fault: Fault, code = ""): void {
    this.#heard = true;
    if (this.waiting === 0) return this.#sink.unpaired(1);
    const operation = this.#operations[this.#first]!;
    const latency = Math.max(0, time - this.#times[this.#first]!);
    this.#first++;
    if (this.#first === this.#operations.length) this.#clear();
    else if (this.#first >= SHIFT_ENTRIES) this.#shift();
    this.#sink.answered(operation, latency, fault, code);
  }

  /** The operation that is answered next; undefined: nobody waits. */
  get next(): string | undefined {
    return this.#operations[this.#first];
  }

  /** Requests went by that could not be read: those that wait are still answered first. */
  missedRequests(): void {
    this.#unsure = true;
    this.#heard = false;
    this.#sink.unpaired(1);
  }

  /** Answers went by that could not be read: whoever still waits may have been answered. */
  missedResponses(): void {
    this.#heard = true;
    if (this.waiting > 0) this.#sink.unpaired(this.waiting);
    this.#clear();
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
