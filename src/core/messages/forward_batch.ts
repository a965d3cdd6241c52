// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Requests that one thread of a proxy read and has not answered, and what it sent on since: which is whose, where the
 * thread reads many before it sends any. Nothing is decided before the answer, when it is known what was sent at all.
 */
import { Incoming, type Outgoing, type Settling } from "./hop.ts";

const MAX_REQUESTS = 512;

export class Batch implements Settling {
  readonly #incoming: Incoming[] = [];
  #outgoing: Outgoing[] = [];
  /** Whether the thread sends in the order in which it reads. */
  readonly #inOrder: boolean;
  readonly #lose: (outgoing: Outgoing) => void;
  /** It is not known any more which is whose. */
  #broken = false;

  /** `lose` is told of what was sent and of which it will not be known whose it was. */
  constructor(inOrder: boolean, lose: (outgoing: Outgoing) => void) {
    this.#inOrder = inOrder;
    this.#lose = lose;
  }

  /** Whether the next request that is read belongs to another batch. */
  get isComplete(): boolean {
    const [read, sent] = [this.#incoming.length, this.#outgoing.length];
    return this.#broken || read === 0 || sent >= read || read >= MAX_REQUESTS;
  }

  /** Whether a request has not been sent on yet, as far as can be known. */
  get isWaiting(): boolean {
    return !this.#broken && this.#outgoing.length < this.#incoming.length;
  }

  read(incoming: Incoming): void {
    incoming.batch = this;
    this.#incoming.push(incoming);
  }

  /** Without a request to be sent on, it is none of this batch. */
  send(outgoing: Outgoing): void {
    if (this.#broken || this.#incoming.length === 0) return;
    if (this.#outgoing.length >= 2 * MAX_REQUESTS) return;
    outgoing.batch = this;
    this.#outgoing.push(outgoing);
  }

  /** The proxy answers the request, or its client has gone: what was sent on for it, if that is certain. */
  settle(incoming: Incoming, code: string | undefined): Outgoing | undefined {
    const outgoing = this.partner(incoming);
    if (outgoing !== undefined && isDone(outgoing, code)) {
      this.drop(outgoing);
      this.drop(incoming);
      return outgoing;
    }
    // It was answered by the proxy itself, unless one of the others' answers may be its own.
    const isOwn = code !== undefined &&
      !this.#outgoing.some(({ answered, left }) => answered || left);
    if (!isOwn && this.#outgoing.length > 0) this.break();
    this.drop(incoming);
    return undefined;
  }

  /** Something is known not to be a client's request: it is no reason for doubt. */
  drop(item: Incoming | Outgoing): void {
    if (item instanceof Incoming) {
      remove(this.#incoming, item);
      if (this.#incoming.length === 0) this.#close();
    } else {
      remove(this.#outgoing, item);
      item.batch = undefined;
    }
  }

  break(): void {
    this.#broken = true;
    this.#close();
  }

  /** What was sent was for no request that is known. */
  #close(): void {
    for (const outgoing of this.#outgoing) {
      outgoing.batch = undefined;
      this.#lose(outgoing);
    }
    this.#outgoing = [];
  }

  /** What was sent on for the request, if order and content tell it. */
  partner(incoming: Incoming): Outgoing | undefined {
    if (this.#broken) return undefined;
    const [read, sent] = [this.#incoming, this.#outgoing];
    if (this.#inOrder && read.length === sent.length && this.#isAligned()) {
      return sent[read.indexOf(incoming)];
    }
    const alikeRead = read.filter(({ mark }) => mark === incoming.mark);
    const alikeSent = sent.filter((outgoing) => outgoing.sent && outgoing.mark === incoming.mark);
    if (alikeRead.length !== alikeSent.length) return undefined;
    if (alikeRead.length > 1 && !this.#inOrder) return undefined;
    return alikeSent[alikeRead.indexOf(incoming)];
  }

  /** Whether something else was sent in the place of the request, which was sent elsewhere. */
  isDisordered({ mark }: Incoming): boolean {
    const [read, sent] = [this.#incoming, this.#outgoing];
    return read.length === sent.length && !this.#isAligned() &&
      sent.some((outgoing) => outgoing.sent && outgoing.mark === mark);
  }

  /** Whether nothing that was sent is known to be another request than the one in its place. */
  #isAligned(): boolean {
    return this.#outgoing.every(({ sent, mark }, i) =>
      !sent || mark === this.#incoming[i]!.mark || !this.#incoming.some((it) => it.mark === mark)
    );
  }
}

function isDone(outgoing: Outgoing, code: string | undefined): boolean {
  return code === undefined || outgoing.left || (outgoing.answered && outgoing.code === code);
}

function remove<T>(items: T[], item: T): void {
  const at = items.indexOf(item);
  if (at >= 0) items.splice(at, 1);
}
