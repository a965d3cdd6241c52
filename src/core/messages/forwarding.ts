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
import type { ForwardThread } from "./forward_thread.ts";
import { type Hop, Incoming, isSameOpening, openingOf, type Outgoing } from "./hop.ts";
import { InlineThread } from "./inline_thread.ts";
import type { ForwardCounts } from "./forward_counts.ts";
import type { Chunk } from "./protocol.ts";
import { QueueThread } from "./queue_thread.ts";

export type Order = "inline" | "queue" | "unknown";

const ORDERS: Readonly<Record<string, Order>> = { nginx: "inline", haproxy: "queue" };
const MAX_THREADS = 4096;
const MAX_IDLE_READINGS = 12;
/** Requests of one client that wait for their answers: more are not looked at. */
const MAX_PIPELINED = 64;
/** Requests on connections that have ended, of which it may still be told whose they were. */
const MAX_LATE = 4096;

interface Known {
  readonly thread: ForwardThread;
  active: boolean;
  idleReadings: number;
}

export class Forwarding {
  /** Requests or connections that went to a server, and it is not certain whose they were. */
  unpaired = 0;
  readonly #counts: ForwardCounts;
  readonly #threads = new Map<number, Known>();
  /** In two generations of a reading each. */
  #late: Outgoing[] = [];
  #later: Outgoing[] = [];
  #turn = 0;

  constructor(counts: ForwardCounts) {
    this.#counts = counts;
  }

  get threads(): number {
    return this.#threads.size;
  }

  /** The proxy opens a connection to a server. */
  connecting(hop: Hop, id: number): void {
    const thread = this.#thread(id, hop);
    hop.opened = ++this.#turn;
    thread.fresh = undefined;
    thread.send(hop);
  }

  received(hop: Hop, id: number, chunk: Chunk): void {
    const thread = this.#thread(id, hop);
    const isFirst = hop.received === undefined;
    if (isFirst) hop.received = openingOf(chunk, ++this.#turn);
    thread.fresh = isFirst ? hop : undefined;
    thread.receives(hop);
  }

  sent(hop: Hop, id: number, chunk: Chunk): void {
    const thread = this.#thread(id, hop);
    const { fresh } = thread;
    thread.fresh = undefined;
    thread.writes(hop);
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
    if (!hop.isUpstream) {
      if (hop.incoming.length >= MAX_PIPELINED) return this.missed(hop, id);
      const incoming = new Incoming(hop, mark);
      hop.incoming.push(incoming);
      return thread.read(incoming);
    }
    if (hop.outgoing === undefined || hop.outgoing.sent) {
      this.#wait(hop.outgoing);
      thread.send(hop);
    }
    const outgoing = hop.outgoing!;
    outgoing.mark = mark;
    outgoing.sent = true;
  }

  /** An answer was read from a server or written to a client; `code` is its status. */
  answered(hop: Hop, id: number, code: string): void {
    if (hop.isForwarded || !hop.isHttp) return;
    const thread = this.#thread(id, hop);
    const { outgoing } = hop;
    if (!hop.isUpstream) {
      const incoming = hop.incoming.shift();
      if (incoming !== undefined) this.#settle(thread, incoming, code);
    } else if (outgoing?.sent === true && !outgoing.answered) {
      outgoing.answered = true;
      outgoing.code = code;
      thread.hears(outgoing);
    }
  }

  /** The proxy has closed a connection that it opened; `established`: after it had come about. */
  left(hop: Hop, id: number, established: boolean): void {
    const { outgoing } = hop;
    const thread = this.#thread(id, hop);
    thread.fresh = undefined;
    if (outgoing === undefined || outgoing.hop !== hop) return;
    outgoing.left = true;
    thread.leaves(outgoing, established);
  }

  /** `id` is the thread that used the connection last. */
  closed(hop: Hop, id: number): void {
    const thread = this.#thread(id, hop);
    for (const incoming of hop.incoming.splice(0)) this.#settle(thread, incoming, undefined);
    this.#wait(hop.outgoing);
    const isSilent = hop.received === undefined && hop.sent === undefined;
    const isWhole = hop.isUpstream && !hop.isHttp && !isSilent;
    if (isWhole && !hop.isForwarded && isProxy(hop)) this.unpaired++;
  }

  /** Pieces of the connection were lost, or could not be understood: nothing of it is certain. */
  missed(hop: Hop, id: number): void {
    const thread = this.#thread(id, hop);
    thread.miss();
    for (const incoming of hop.incoming.splice(0)) thread.giveUp(incoming);
    const { outgoing } = hop;
    hop.outgoing = undefined;
    if (outgoing === undefined || outgoing.hop !== hop) return;
    if (outgoing.incoming !== undefined) thread.giveUp(outgoing.incoming);
    outgoing.batch?.break();
    thread.drop(outgoing);
    this.#lose(outgoing);
  }

  /** Forgets threads that were silent for long, and counts what was not paired; called once a reading. */
  age(): void {
    for (const outgoing of this.#late) this.#lose(outgoing);
    this.#late = this.#later;
    this.#later = [];
    for (const [id, known] of this.#threads) {
      known.idleReadings = known.active ? 0 : known.idleReadings + 1;
      known.active = false;
      known.thread.age();
      if (known.idleReadings >= MAX_IDLE_READINGS) this.#threads.delete(id);
    }
  }

  /** The connection is used for something else: it must be told soon whose this was. */
  #wait(outgoing: Outgoing | undefined): void {
    if (outgoing === undefined || outgoing.isSettled || outgoing.servers.length === 0) return;
    this.#later.push(outgoing);
    if (this.#later.length < MAX_LATE) return;
    // Most were answered just after their connections were closed.
    this.#later = this.#later.filter(({ isSettled }) => !isSettled);
    for (const oldest of this.#later.splice(0, Math.max(0, this.#later.length - MAX_LATE / 2))) {
      this.#lose(oldest);
    }
  }

  readonly #lose = (outgoing: Outgoing): void => {
    if (outgoing.isSettled || outgoing.hop.isForwarded) return;
    outgoing.isSettled = true;
    // Others may ask servers for themselves.
    if (isProxy(outgoing.hop)) this.unpaired += outgoing.servers.length;
  };

  #thread(id: number, hop: Hop): ForwardThread {
    let known = this.#threads.get(id);
    if (known === undefined) {
      if (this.#threads.size >= MAX_THREADS) {
        this.#threads.delete(this.#threads.keys().next().value!);
      }
      const order = ORDERS[hop.peers.comm] ?? "unknown";
      const thread = order === "inline"
        ? new InlineThread()
        : new QueueThread(order === "queue", this.#lose);
      this.#threads.set(id, known = { thread, active: true, idleReadings: 0 });
    }
    known.active = true;
    return known.thread;
  }

  #settle(thread: ForwardThread, incoming: Incoming, code: string | undefined): void {
    for (const outgoing of thread.settle(incoming, code)) {
      if (outgoing.isSettled) continue;
      outgoing.isSettled = true;
      for (const server of outgoing.servers) this.#count(incoming.hop, server, true);
    }
  }

  /** The first piece of one connection was passed on, as it was and at once, as the first of another. */
  #passedOn(thread: ForwardThread, from: Hop, to: Hop): void {
    if (from.isUpstream === to.isUpstream) return;
    const [client, server] = from.isUpstream ? [to, from] : [from, to];
    if (client.isForwarded || server.isForwarded) return;
    const order = ORDERS[client.peers.comm];
    if (from === client && order !== "inline") return;
    if (from === server && !isSameOpening(client.received, server.sent)) return;
    if (client.isHttp) {
      // A proxy of requests opens no connection before the first one; HAProxy writes headers in lower case.
      const isBefore = server.opened < (client.received?.turn ?? 0);
      const hasCapitals = client.received?.hasCapitals === true || to.sent!.hasCapitals;
      if (order === "queue" ? !hasCapitals : !isBefore) return;
    }
    if (server.outgoing !== undefined) thread.drop(server.outgoing);
    for (const incoming of client.incoming.splice(0)) thread.drop(incoming);
    server.outgoing = undefined;
    client.isForwarded = server.isForwarded = true;
    this.#count(client, server, false);
  }

  #count({ peers }: Hop, { peers: server }: Hop, isL7: boolean): void {
    this.#counts.add({
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

function isProxy({ peers }: Hop): boolean {
  return ORDERS[peers.comm] !== undefined;
}
