// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Sockets of datagrams, whose messages are numbered: a flow is what one process asks one host, or is asked by it, on one
 * socket. Memory: about 1 KB a flow and 100 bytes a request that waits, both bounded.
 */
import { type Fault, type MessageSink, Pairing } from "./pairing.ts";
import type { Peers, Verdict } from "./peers.ts";
import type { Chunk, Datagram, Protocol } from "./protocol.ts";
import type { Link, Traffic } from "./traffic.ts";

/** The two ends of one datagram. */
export interface Ends {
  /** Tells them from others, without the ports. */
  readonly key: string;
  readonly localPort: number;
  readonly remotePort: number;
  localIp(): string;
  remoteIp(): string;
}

export interface DatagramsOptions {
  readonly protocols: readonly Protocol[];
  readonly traffic: Traffic;
  readonly maxFlows: number;
  readonly decide: (id: number, verdict: Verdict) => void;
}

/** A socket whose first datagrams are of none of the protocols is none of ours. */
const MAX_GUESSES = 6;
/** Readings after which a silent flow is forgotten: a minute by default. */
const MAX_IDLE_READINGS = 12;
/** What a request is found by: its number and its sender's port, in one number that is exact. */
const NUMBERS = 2 ** 36;

class Flow implements MessageSink {
  readonly pairing: Pairing = new Pairing(this);
  idleReadings = 0;

  constructor(readonly link: Link | undefined, readonly losses: { unpaired_messages: number }) {}

  asked(operation: string): void {
    this.link?.asked(operation);
  }

  answered(operation: string, latency: number, fault: Fault, code: string): void {
    this.link?.answered(operation, latency, fault, code);
  }

  unpaired(count: number): void {
    this.losses.unpaired_messages += count;
  }
}

interface Socket {
  readonly peers: Peers;
  protocol: Protocol | undefined;
  guesses: number;
  idleReadings: number;
  readonly flows: Map<string, Flow>;
}

export class Datagrams {
  /** Flows and sockets that there was no room for; datagrams of sockets that are not known; messages without partner. */
  readonly losses = { flows_full: 0, unknown_datagrams: 0, unpaired_messages: 0 };
  readonly #sockets = new Map<number, Socket>();
  readonly #options: DatagramsOptions;
  readonly #unknown = new Set<number>();
  #flows = 0;

  constructor(options: DatagramsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sockets.size;
  }

  opened(peers: Peers): void {
    const { maxFlows, decide } = this.#options;
    if (this.#sockets.size >= maxFlows) {
      this.losses.flows_full++;
      return decide(peers.id, "unwanted");
    }
    this.#sockets.set(peers.id, {
      peers,
      protocol: undefined,
      guesses: 0,
      idleReadings: 0,
      flows: new Map(),
    });
  }

  piece(id: number, sent: boolean, chunk: Chunk, ends: Ends): void {
    const socket = this.#sockets.get(id);
    if (socket === undefined) return this.#refuse(id);
    socket.idleReadings = 0;
    const datagram = this.#read(socket, chunk);
    if (datagram === undefined) return;
    const isServer = (datagram.side === "request") !== sent;
    const flow = this.#flowOf(socket, isServer, ends);
    if (flow === undefined) return;
    flow.idleReadings = 0;
    flow.link?.count(sent, chunk.length);
    // The asker's own port is that of the socket, and not known before it has sent something.
    const number = (isServer ? ends.remotePort : 0) * NUMBERS + datagram.number;
    const { operation, fault, code } = datagram;
    if (datagram.side === "request") flow.pairing.askedAs(number, operation, chunk.time);
    else flow.pairing.answeredAs(number, chunk.time, fault, code);
  }

  /** Forgets what has been silent for long; called once a reading. */
  age(): void {
    this.#unknown.clear();
    for (const [id, socket] of this.#sockets) {
      for (const [key, flow] of socket.flows) {
        if (++flow.idleReadings > MAX_IDLE_READINGS) this.#forget(socket, key, flow);
      }
      if (++socket.idleReadings <= MAX_IDLE_READINGS) continue;
      for (const [key, flow] of socket.flows) this.#forget(socket, key, flow);
      this.#options.decide(id, "forgotten");
      this.#sockets.delete(id);
    }
  }

  #forget(socket: Socket, key: string, flow: Flow): void {
    this.losses.unpaired_messages += flow.pairing.waiting;
    if (flow.link !== undefined) flow.link.connections--;
    socket.flows.delete(key);
    this.#flows--;
  }

  #read(socket: Socket, chunk: Chunk): Datagram | undefined {
    const known = socket.protocol?.datagram?.(chunk);
    if (known !== undefined) return known;
    if (socket.protocol !== undefined) return undefined;
    for (const protocol of this.#options.protocols) {
      const datagram = protocol.datagram?.(chunk);
      if (datagram === undefined) continue;
      socket.protocol = protocol;
      this.#options.decide(socket.peers.id, "wanted");
      return datagram;
    }
    if (++socket.guesses < MAX_GUESSES) return undefined;
    const { id } = socket.peers;
    this.#unknown.add(id);
    this.#sockets.delete(id);
    this.#options.decide(id, "unwanted");
    return undefined;
  }

  #refuse(id: number): void {
    this.losses.unknown_datagrams++;
    if (this.#unknown.has(id) || this.#unknown.size >= this.#options.maxFlows) return;
    this.#unknown.add(id);
    this.#options.decide(id, "forgotten");
  }

  #flowOf(socket: Socket, isServer: boolean, ends: Ends): Flow | undefined {
    const key = isServer ? `s${ends.key}` : `c${ends.key}${ends.remotePort}`;
    const known = socket.flows.get(key);
    if (known !== undefined) return known;
    if (this.#flows >= this.#options.maxFlows) {
      this.losses.flows_full++;
      return undefined;
    }
    const [localIp, remoteIp] = [ends.localIp(), ends.remoteIp()];
    const link = this.#options.traffic.link({
      isTls: false,
      tgid: socket.peers.tgid,
      clientIp: isServer ? remoteIp : localIp,
      serverIp: isServer ? localIp : remoteIp,
      serverPort: isServer ? ends.localPort : ends.remotePort,
      transport: "udp",
      role: isServer ? "server" : "client",
      protocol: socket.protocol!.name,
      hasCodes: socket.protocol!.hasCodes,
      comm: socket.peers.comm,
    });
    if (link !== undefined) link.connections++;
    const flow = new Flow(link, this.losses);
    socket.flows.set(key, flow);
    this.#flows++;
    return flow;
  }
}
