// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Who was sent where: pairs what proxies receive from clients with what they send on to servers. What follows from the
 * order of calls of one thread is taken for certain only for programs whose order is known:
 *
 * inline (nginx): a request is sent on, or a connection for it opened, where it was read, before anything else is read;
 * queue (HAProxy): many requests are read, and then sent on in the same order.
 *
 * Of others, only requests that are alone with their method and target on their thread are paired. Whole connections
 * (TCP mode) are paired where the first piece of one is passed on as the first piece of the other at once.
 * Memory: what is underway on connections, whose number is bounded, and MAX_THREADS threads.
 */
import { Batch } from "./forward_batch.ts";
import { type Hop, Incoming, isSameOpening, openingOf, Outgoing } from "./hop.ts";
import type { LinkCounts } from "./link_counts.ts";
import type { Chunk } from "./protocol.ts";

export type Order = "inline" | "queue" | "unknown";

const ORDERS: Readonly<Record<string, Order>> = { nginx: "inline", haproxy: "queue" };
const MAX_THREADS = 4096;
const MAX_IDLE_READINGS = 12;
/** Requests of one client that wait for their answers: more are not looked at. */
const MAX_PIPELINED = 64;

class Thread {
  /** Inline: the client that it works for. */
  client: Hop | undefined;
  /** It has just read the first piece of this connection. */
  fresh: Hop | undefined;
  /** It has just closed the connection that this was sent on. */
  abandoned: Outgoing | undefined;
  /** Sent on in vain, and not tried again yet. */
  failed: Outgoing[] = [];
  batch: Batch;
  active = true;
  idleReadings = 0;

  constructor(readonly order: Order, stray: (server: Hop) => void) {
    this.batch = new Batch(order === "queue", stray);
  }
}

export class Forwarding {
  /** Requests or connections that went to a server, and it is not certain whose they were. */
  unpaired = 0;
  readonly #links: LinkCounts;
  readonly #threads = new Map<number, Thread>();
  #turn = 0;

  constructor(links: LinkCounts) {
    this.#links = links;
  }

  get threads(): number {
    return this.#threads.size;
  }

  /** The proxy opens a connection to a server. */
  connecting(hop: Hop, id: number): void {
    const thread = this.#thread(id, hop);
    hop.opened = ++this.#turn;
    thread.fresh = undefined;
    this.#send(thread, hop);
  }

  received(hop: Hop, id: number, chunk: Chunk): void {
    const thread = this.#thread(id, hop);
    const isFirst = hop.received === undefined;
    if (isFirst) hop.received = openingOf(chunk, ++this.#turn);
    thread.fresh = isFirst ? hop : undefined;
    thread.abandoned = undefined;
    thread.client = hop.isUpstream ? hop.outgoing?.incoming?.hop : hop;
  }

  sent(hop: Hop, id: number, chunk: Chunk): void {
    const thread = this.#thread(id, hop);
    const { fresh } = thread;
    thread.fresh = undefined;
    if (!hop.isUpstream) thread.abandoned = undefined;
    if (hop.sent !== undefined) return;
    hop.sent = openingOf(chunk, ++this.#turn);
    if (fresh !== undefined && isSameOpening(fresh.received, hop.sent)) {
      this.#passedOn(thread, fresh, hop);
    }
  }

  /** A request was read from a client or written to a server. */
  asked(hop: Hop, id: number, mark: number): void {
    if (hop.isForwarded || !hop.isHttp) return;
    const thread = this.#thread(id, hop);
    if (!hop.isUpstream) return this.#read(thread, hop, mark);
    this.#countStrays(hop);
    if (hop.outgoing === undefined || hop.outgoing.sent) this.#send(thread, hop);
    const outgoing = hop.outgoing!;
    outgoing.mark = mark;
    outgoing.sent = true;
    if (outgoing.batch === undefined && outgoing.incoming === undefined) this.#stray(hop);
  }

  /** An answer was read from a server or written to a client. */
  answered(hop: Hop, id: number): void {
    if (hop.isForwarded || !hop.isHttp) return;
    if (hop.isUpstream) {
      if (hop.outgoing?.sent === true) hop.outgoing.answered = true;
      return;
    }
    const incoming = hop.incoming.shift();
    if (incoming === undefined) return;
    if (incoming.batch === undefined && incoming.outgoing.length === 0) {
      this.#answeredByItself(this.#thread(id, hop), hop);
    } else this.#settle(incoming, true);
  }

  /** The proxy has closed a connection that it opened. */
  left(hop: Hop, id: number, established: boolean): void {
    const { outgoing } = hop;
    const thread = this.#thread(id, hop);
    thread.fresh = undefined;
    if (outgoing === undefined || outgoing.hop !== hop) return;
    outgoing.left = true;
    thread.client = outgoing.incoming?.hop;
    if (outgoing.answered || hop.isForwarded) return;
    // A check of the server's health, or nobody wants it any more: nothing failed that is tried again.
    if (established && !outgoing.sent) return outgoing.batch?.drop(outgoing);
    thread.abandoned = outgoing;
    if (outgoing.batch !== undefined && thread.failed.length < MAX_PIPELINED) {
      thread.failed.push(outgoing);
    }
  }

  closed(hop: Hop): void {
    hop.isGone = true;
    for (const incoming of hop.incoming.splice(0)) this.#settle(incoming, false);
    this.#countStrays(hop);
    const isSilent = hop.received === undefined && hop.sent === undefined;
    if (hop.isUpstream && !hop.isHttp && !hop.isForwarded && !isSilent) this.unpaired++;
  }

  /** Pieces of the connection were lost, or could not be understood: nothing of it is certain. */
  missed(hop: Hop): void {
    for (const incoming of hop.incoming.splice(0)) this.#giveUp(incoming);
    this.#countStrays(hop);
    const { outgoing } = hop;
    hop.outgoing = undefined;
    if (outgoing === undefined || outgoing.hop !== hop) return;
    if (outgoing.incoming !== undefined) this.#giveUp(outgoing.incoming);
    outgoing.batch?.break();
  }

  /** Forgets threads that were silent for long; called once a reading. */
  age(): void {
    for (const [id, thread] of this.#threads) {
      thread.idleReadings = thread.active ? 0 : thread.idleReadings + 1;
      thread.active = false;
      if (thread.idleReadings >= MAX_IDLE_READINGS) this.#threads.delete(id);
    }
  }

  /** Counted when it is certain that no whole connection is forwarded there. */
  readonly #stray = (server: Hop): void => {
    server.strays++;
    if (server.isGone) this.#countStrays(server);
  };

  #thread(id: number, hop: Hop): Thread {
    let thread = this.#threads.get(id);
    if (thread === undefined) {
      if (this.#threads.size >= MAX_THREADS) {
        this.#threads.delete(this.#threads.keys().next().value!);
      }
      thread = new Thread(ORDERS[hop.peers.comm] ?? "unknown", this.#stray);
      this.#threads.set(id, thread);
    }
    thread.active = true;
    return thread;
  }

  #read(thread: Thread, hop: Hop, mark: number): void {
    if (hop.incoming.length >= MAX_PIPELINED) return this.missed(hop);
    const incoming = new Incoming(hop, mark);
    hop.incoming.push(incoming);
    if (thread.order === "inline") return;
    if (thread.batch.isComplete) {
      thread.batch = new Batch(thread.order === "queue", this.#stray);
    }
    thread.batch.read(incoming);
  }

  #send(thread: Thread, hop: Hop): void {
    const { abandoned } = thread;
    thread.abandoned = undefined;
    if (thread.order === "inline") return this.#sendInline(thread, hop);
    const retried = abandoned ?? this.#failedBefore(thread);
    if (retried !== undefined) {
      thread.failed = thread.failed.filter((outgoing) => outgoing !== retried);
      retried.retry(hop);
      hop.outgoing = retried;
      return;
    }
    hop.outgoing = new Outgoing(hop);
    thread.batch.send(hop.outgoing);
  }

  /** What failed some time ago and is tried again, where it is certain that it is this. */
  #failedBefore(thread: Thread): Outgoing | undefined {
    thread.failed = thread.failed.filter(({ batch, left, answered }) =>
      batch !== undefined && left && !answered
    );
    if (thread.batch.isWaiting || thread.failed.length !== 1) return undefined;
    return thread.failed[0];
  }

  #sendInline(thread: Thread, hop: Hop): void {
    const outgoing = new Outgoing(hop);
    hop.outgoing = outgoing;
    const incoming = thread.client?.incoming[0];
    // Two at once would be two clients', or one that nobody has asked for.
    if (incoming === undefined || incoming.outgoing.some(isUnderway)) return;
    incoming.outgoing.push(outgoing);
    outgoing.incoming = incoming;
  }

  /** The first piece of one connection was passed on, as it was and at once, as the first of another. */
  #passedOn(thread: Thread, from: Hop, to: Hop): void {
    if (from.isUpstream === to.isUpstream) return;
    const [client, server] = from.isUpstream ? [to, from] : [from, to];
    if (client.isForwarded || server.isForwarded) return;
    const isInline = thread.order === "inline";
    if (from === client && !isInline) return;
    if (from === server && !isSameOpening(client.received, server.sent)) return;
    if (client.isHttp) {
      // A proxy of requests opens no connection before the first one; HAProxy writes headers in lower case.
      const isBefore = server.opened < (client.received?.turn ?? 0);
      const hasCapitals = client.received?.hasCapitals === true || to.sent!.hasCapitals;
      if (thread.order === "queue" ? !hasCapitals : !isBefore) return;
    }
    this.#detach(client, server);
    client.isForwarded = server.isForwarded = true;
    this.#count(client, server, false);
  }

  /** What was taken for requests was only passed on. */
  #detach(client: Hop, server: Hop): void {
    const { outgoing } = server;
    server.outgoing = undefined;
    server.strays = 0;
    if (outgoing !== undefined) {
      outgoing.batch?.drop(outgoing);
      const others = outgoing.incoming?.outgoing;
      others?.splice(others.indexOf(outgoing), 1);
    }
    for (const incoming of client.incoming.splice(0)) {
      incoming.batch?.drop(incoming);
      for (const other of incoming.outgoing) other.incoming = undefined;
    }
  }

  /** Inline: no server was asked, unless the answer that another client's server gave just now was for this one. */
  #answeredByItself(thread: Thread, hop: Hop): void {
    const [other] = thread.client?.incoming ?? [];
    if (thread.order !== "inline" || thread.client === hop || other === undefined) return;
    if (other.outgoing.some(({ answered }) => answered)) this.#giveUp(other);
  }

  #countStrays(hop: Hop): void {
    if (!hop.isForwarded) this.unpaired += hop.strays;
    hop.strays = 0;
  }

  #settle(incoming: Incoming, isAnswered: boolean): void {
    const { batch } = incoming;
    if (batch !== undefined) {
      const outgoing = batch.settle(incoming, isAnswered);
      for (const server of outgoing?.servers ?? []) this.#count(incoming.hop, server, true);
      return;
    }
    const last = incoming.outgoing.at(-1);
    // Answered before its server was: then the server's answer is another client's.
    const isOther = isAnswered && last !== undefined && isUnderway(last);
    if (isOther || incoming.isDoubtful) return this.#giveUp(incoming);
    for (const outgoing of incoming.outgoing) {
      for (const server of outgoing.servers) this.#count(incoming.hop, server, true);
    }
  }

  #giveUp(incoming: Incoming): void {
    incoming.isDoubtful = true;
    if (incoming.batch !== undefined) {
      incoming.batch.drop(incoming);
      incoming.batch.break();
    }
    for (const outgoing of incoming.outgoing.splice(0)) {
      for (const server of outgoing.servers) this.#stray(server);
      outgoing.incoming = undefined;
    }
  }

  #count({ peers }: Hop, { peers: server }: Hop, isL7: boolean): void {
    this.#links.add({
      program: peers.comm,
      clientIp: peers.remoteIp,
      clientPort: peers.remotePort,
      virtualIp: peers.localIp,
      virtualPort: peers.localPort,
      serverIp: server.remoteIp,
      serverPort: server.remotePort,
      isL7,
    });
  }
}

function isUnderway({ sent, answered, left }: Outgoing): boolean {
  return !left && !(sent && answered);
}
