// SPDX-License-Identifier: MulanPSL-2.0
/**
 * A thread that reads many requests before it sends any: HAProxy, in the same order, and with the answers too; others in
 * an order that is not known. Memory: MAX_REPLIES answers.
 */
import { Batch } from "./forward_batch.ts";
import type { ForwardThread } from "./forward_thread.ts";
import { type Hop, type Incoming, Outgoing } from "./hop.ts";

const MAX_FAILED = 64;
const MAX_REPLIES = 512;
/** After so many answers an answer that was read and not written will not be. */
const MAX_BEHIND = 256;

/** For so many answers after something was not seen, the order of answers tells nothing. */
const MAX_DOUBT = 64;

interface Reply {
  readonly outgoing: Outgoing;
  /** Answers that were written before it was read. */
  readonly before: number;
  /** Readings since. */
  age: number;
}

export class QueueThread implements ForwardThread {
  fresh: Hop | undefined;
  /** It has just closed the connection that this was sent on. */
  #abandoned: Outgoing | undefined;
  /** Sent on in vain, and not tried again yet. */
  #failed: Outgoing[] = [];
  /** Answers that were read and not written yet, in order. */
  #replies: Reply[] = [];
  #written = 0;
  /** Grows when something was not seen: what began before tells nothing of what began after. */
  #era = 0;
  #missed = -Infinity;
  /** Answers that were written when something was last seen out of order. */
  #sendsDiffer = -Infinity;
  #batch: Batch;
  readonly #inOrder: boolean;
  readonly #lose: (outgoing: Outgoing) => void;

  constructor(inOrder: boolean, lose: (outgoing: Outgoing) => void) {
    this.#inOrder = inOrder;
    this.#lose = lose;
    this.#batch = this.#newBatch();
  }

  read(incoming: Incoming): void {
    if (this.#batch.isComplete) this.#batch = this.#newBatch();
    incoming.era = this.#era;
    this.#batch.read(incoming);
  }

  send(hop: Hop): void {
    const retried = this.#abandoned ?? this.#failedBefore();
    this.#abandoned = undefined;
    if (retried !== undefined) {
      this.#failed = this.#failed.filter((outgoing) => outgoing !== retried);
      retried.retry(hop);
      hop.outgoing = retried;
      return;
    }
    hop.outgoing = new Outgoing(hop);
    hop.outgoing.era = this.#era;
    this.#batch.send(hop.outgoing);
  }

  receives(): void {
    this.#abandoned = undefined;
  }

  writes(hop: Hop): void {
    if (!hop.isUpstream) this.#abandoned = undefined;
  }

  hears(outgoing: Outgoing): void {
    if (!this.#inOrder) return;
    this.#replies.push({ outgoing, before: this.#written, age: 0 });
    if (this.#replies.length > MAX_REPLIES) this.#lose(this.#replies.shift()!.outgoing);
  }

  leaves(outgoing: Outgoing, established: boolean): void {
    if (outgoing.answered || outgoing.hop.isForwarded) return;
    // A check of the server's health, or nobody wants it any more: nothing failed that is tried again.
    if (established && !outgoing.sent) return outgoing.batch?.drop(outgoing);
    this.#abandoned = outgoing;
    if (outgoing.batch === undefined || this.#failed.length >= MAX_FAILED) return;
    this.#failed.push(outgoing);
  }

  settle(incoming: Incoming, code: string | undefined): readonly Outgoing[] {
    const found = this.#inOrder && code !== undefined
      ? this.#replyOf(incoming, code)
      : this.#settleBatch(incoming, code);
    return found === undefined ? [] : [found];
  }

  giveUp(incoming: Incoming): void {
    incoming.batch?.drop(incoming);
    incoming.batch?.break();
    this.miss();
  }

  miss(): void {
    this.#batch.break();
    this.#era++;
    this.#missed = this.#written;
  }

  drop(item: Incoming | Outgoing): void {
    item.batch?.drop(item);
    this.#replies = this.#replies.filter(({ outgoing }) => outgoing !== item);
  }

  age(): void {
    this.#loseReplies((reply) => ++reply.age > 1);
  }

  #newBatch(): Batch {
    return new Batch(this.#inOrder, (outgoing) => {
      // In order, an answer may still tell whose it was.
      if (!this.#inOrder || outgoing.left) this.#lose(outgoing);
    });
  }

  #settleBatch(incoming: Incoming, code: string | undefined): Outgoing | undefined {
    const found = incoming.batch?.settle(incoming, code);
    if (found !== undefined) this.drop(found);
    else if (code === undefined) this.giveUp(incoming);
    return found;
  }

  /**
   * Two things tell whose an answer is: requests are sent on in the order in which they are read, unless some have to
   * wait, and answers are written in the order in which they are read. The first is believed until it is seen to fail.
   */
  #replyOf(incoming: Incoming, code: string): Outgoing | undefined {
    const now = ++this.#written;
    this.#loseReplies(({ before }) => now - before > MAX_BEHIND);
    const isDoubtful = incoming.era !== this.#era || now - this.#missed <= MAX_DOUBT;
    const partner = incoming.batch?.partner(incoming);
    if (incoming.batch?.isDisordered(incoming) === true) this.#sendsDiffer = now;
    const isOrdered = now - this.#sendsDiffer > MAX_DOUBT;
    if (isOrdered && partner !== undefined) return this.#settleBatch(incoming, code);
    const alike = isDoubtful ? [] : this.#repliesLike(incoming, code);
    const reply = alike.length === 1 || alike[0] === this.#replies[0]?.outgoing
      ? alike[0]
      : undefined;
    if (reply !== undefined) return this.#take(incoming, reply);
    if (isOrdered || partner === undefined) return this.#settleBatch(incoming, code);
    return this.#loseAll(incoming, partner);
  }

  #repliesLike({ mark, era }: Incoming, code: string): Outgoing[] {
    return this.#replies.map(({ outgoing }) => outgoing).filter((outgoing) =>
      outgoing.mark === mark && outgoing.code === code && outgoing.era === era
    );
  }

  #take(incoming: Incoming, outgoing: Outgoing): Outgoing {
    this.drop(outgoing);
    this.drop(incoming);
    return outgoing;
  }

  #loseAll(incoming: Incoming, ...several: readonly Outgoing[]): undefined {
    this.drop(incoming);
    for (const outgoing of several) {
      this.drop(outgoing);
      this.#lose(outgoing);
    }
  }

  #loseReplies(isLate: (reply: Reply) => boolean): void {
    this.#replies = this.#replies.filter((reply) => {
      const late = isLate(reply);
      if (late) this.#lose(reply.outgoing);
      return !late;
    });
  }

  /** What failed some time ago and is tried again, where it is certain that it is this. */
  #failedBefore(): Outgoing | undefined {
    this.#failed = this.#failed.filter(({ batch, left, answered }) =>
      batch !== undefined && left && !answered
    );
    return this.#batch.isWaiting || this.#failed.length !== 1 ? undefined : this.#failed[0];
  }
}
