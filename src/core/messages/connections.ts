// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The connections whose pieces the kernel shows: finds out what each speaks, and which side is the server. Their number
 * is bounded.
 */
import { Connection } from "./connection.ts";
import type { Forwarding } from "./forwarding.ts";
import { Hop } from "./hop.ts";
import type { Peers, Verdict } from "./peers.ts";
import type { Chunk, Protocol } from "./protocol.ts";
import type { TopicCounts } from "./topic_counts.ts";
import type { Link, Traffic } from "./traffic.ts";

export interface ConnectionsOptions {
  readonly protocols: readonly Protocol[];
  readonly traffic: Traffic;
  readonly forwarding: Forwarding;
  /** Whether proxies are followed. */
  readonly proxies: boolean;
  /** Without, messages of brokers are not counted. */
  readonly topics?: TopicCounts;
  readonly maxConnections: number;
  /** Whether what is said under TLS is seen. */
  readonly tls: boolean;
  readonly decide: (id: number, verdict: Verdict) => void;
}

/** A connection that speaks none of the protocols for so many pieces is none of ours. */
const MAX_GUESSES = 6;
/** Pieces of a handshake, after which nobody tells what is said under TLS: not by OpenSSL. */
const MAX_ENCRYPTED = 32;
const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR = 3;
/** Readings after which a connection without pieces is forgotten: its end may have been lost. 5 minutes by default. */
const MAX_IDLE_READINGS = 60;
/** Connections that ended since the last reading and are still to be shown. */
const MAX_GONE = 1024;
const SERIALS = 2 ** 16;
/** Programs that are proxies even before they have opened a connection. */
const PROXIES = new Set(["nginx", "haproxy"]);
/** Processes that open connections, of which this is remembered. */
const MAX_CONNECTING = 4096;
/** Unknown connections that the kernel is told of between two readings. */
const MAX_UNKNOWN = 1024;

export class Connections {
  /** Connections that there was no room for; pieces of connections that are not known; messages without partner. */
  readonly losses = { connections_full: 0, unknown_pieces: 0, unpaired_messages: 0 };
  readonly #known = new Map<number, Connection>();
  readonly #connecting = new Set<number>();
  #gone: Connection[] = [];
  readonly #unknown = new Set<number>();
  readonly #options: ConnectionsOptions;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Those with an answer since the last call, also those that ended; their slowest begins anew. */
  *answered(): Generator<Connection> {
    for (const connection of [...this.#gone, ...this.#known.values()]) {
      if (Number.isNaN(connection.slowest.latency)) continue;
      yield connection;
      connection.slowest.latency = NaN;
    }
    this.#gone = [];
  }

  opened(peers: Peers): void {
    const before = this.#known.get(peers.id);
    if (before?.isOpening === true) {
      before.isOpening = false;
      before.peers = peers;
      if (before.hop !== undefined) before.hop.peers = peers;
    } else if (before !== undefined && peers.isTls) this.#beginTls(before, peers);
    else {
      if (before !== undefined) this.#forget(before);
      this.#add(peers);
    }
  }

  /** Its process opens it; `opened` follows with its first piece. */
  connecting(peers: Peers, thread: number): void {
    if (this.#connecting.size >= MAX_CONNECTING) this.#connecting.clear();
    this.#connecting.add(peers.tgid);
    const connection = this.#add(peers);
    if (connection === undefined) return;
    connection.isOpening = true;
    if (connection.hop !== undefined) {
      this.#options.forwarding.connecting(connection.hop, thread);
    }
  }

  /** Its process, which opened it, has closed it; `established`: after it had come about. */
  left(id: number, thread: number, established: boolean): void {
    const hop = this.#known.get(id)?.hop;
    if (hop !== undefined) this.#options.forwarding.left(hop, thread, established);
  }

  /** `thread` is 0 if it was not its process that closed it just now. */
  closed(id: number, thread: number, established: boolean): void {
    if (thread !== 0) this.left(id, thread, established);
    const connection = this.#known.get(id);
    if (connection !== undefined) this.#forget(connection);
  }

  /** `serial` counts the connection's pieces, up to 2^16 and then from nought. */
  piece(id: number, sent: boolean, serial: number, chunk: Chunk, thread: number): void {
    const connection = this.#known.get(id);
    if (connection === undefined) {
      this.#refuse(id);
      return;
    }
    if (serial !== connection.nextSerial) connection.missed(chunk.time);
    connection.nextSerial = (serial + 1) % SERIALS;
    connection.thread = thread;
    const met = connection.isEncrypted
      ? this.#wait(connection)
      : connection.conversation === undefined
      ? this.#meet(connection, sent, chunk)
      : chunk;
    const { hop } = connection;
    if (hop !== undefined) this.#options.forwarding[sent ? "sent" : "received"](hop, thread, chunk);
    if (met === undefined) return;
    connection.count(sent, met.length);
    const { conversation, isServer, pairing } = connection;
    if (sent === isServer) conversation!.response(met);
    else {
      pairing.turn();
      conversation!.request(met);
    }
    if (pairing.ended) this.#end(connection);
  }

  /** Nothing more is understood, unless it goes on under TLS. */
  #end(connection: Connection): void {
    if (!this.#options.tls || connection.peers.isTls) return this.#giveUp(connection);
    connection.isEncrypted = true;
    connection.guesses = 0;
  }

  #wait(connection: Connection): undefined {
    if (++connection.guesses >= MAX_ENCRYPTED) this.#giveUp(connection);
    return undefined;
  }

  /** From now on it is seen in plain, as if it were another connection. */
  #beginTls(before: Connection, peers: Peers): void {
    const { hop } = before;
    before.hop = undefined;
    this.#forget(before);
    const connection = this.#add(peers);
    if (connection === undefined || hop === undefined) return;
    connection.hop = hop;
    hop.beginTls(peers);
  }

  /** What was forgotten, or what the kernel did not hear of in time. */
  #refuse(id: number): void {
    this.losses.unknown_pieces++;
    if (this.#unknown.has(id) || this.#unknown.size >= MAX_UNKNOWN) return;
    this.#unknown.add(id);
    this.#options.decide(id, "forgotten");
  }

  /** Forgets what has been silent for long; called once a reading. */
  age(): void {
    this.#unknown.clear();
    for (const connection of this.#known.values()) {
      connection.idleReadings = connection.active ? 0 : connection.idleReadings + 1;
      connection.active = false;
      if (connection.idleReadings < MAX_IDLE_READINGS) continue;
      this.#options.decide(connection.peers.id, "forgotten");
      this.#forget(connection);
    }
  }

  #add(peers: Peers): Connection | undefined {
    const { forwarding, topics, maxConnections, decide } = this.#options;
    if (this.#known.size >= maxConnections) {
      this.losses.connections_full++;
      decide(peers.id, "unwanted");
      return undefined;
    }
    const connection = new Connection(peers, forwarding, this.losses, topics);
    const isProxy = PROXIES.has(peers.comm) || this.#connecting.has(peers.tgid);
    if (this.#options.proxies && isProxy) {
      connection.hop = new Hop(peers, peers.isNew);
    }
    this.#known.set(peers.id, connection);
    return connection;
  }

  /** Finds out what it speaks, and gives what it said up to now; undefined: not yet, or none of ours. */
  #meet(connection: Connection, sent: boolean, piece: Chunk): Chunk | undefined {
    const chunk = connection.withPrefix(sent, piece);
    for (const protocol of this.#options.protocols) {
      const side = protocol.guess(chunk);
      if (side === undefined) continue;
      connection.isServer = (side === "request") !== sent;
      connection.protocol = protocol;
      connection.link = this.#linkOf(connection, protocol);
      if (connection.link !== undefined) connection.link.connections++;
      connection.conversation = protocol.converse(connection.pairing);
      if (connection.hop !== undefined) connection.hop.met(protocol.name, connection.isServer);
      // Somebody may have asked what could not be recognised.
      if (connection.guesses > 0) connection.pairing.joined();
      this.#options.decide(connection.peers.id, "wanted");
      return chunk;
    }
    const isHandshake = chunk.bytes[chunk.start] === TLS_HANDSHAKE &&
      chunk.bytes[chunk.start + 1] === TLS_MAJOR && chunk.end - chunk.start > 1;
    if (isHandshake && this.#options.tls) {
      connection.isEncrypted = true;
      return undefined;
    }
    if (connection.guesses === 0 && connection.keepPrefix(sent, chunk)) return undefined;
    if (++connection.guesses >= MAX_GUESSES) this.#giveUp(connection);
    return undefined;
  }

  #giveUp(connection: Connection): void {
    const { id } = connection.peers;
    // What it said meanwhile is still to come, and no reason to ask for more.
    if (this.#unknown.size < MAX_UNKNOWN) this.#unknown.add(id);
    this.#options.decide(id, "unwanted");
    this.#forget(connection);
  }

  #linkOf({ peers, isServer }: Connection, protocol: Protocol): Link | undefined {
    const { tgid, comm, transport, localIp, localPort, remoteIp, remotePort, isTls } = peers;
    return this.#options.traffic.link({
      tgid,
      comm,
      transport,
      hasCodes: protocol.hasCodes,
      clientIp: isServer ? remoteIp : localIp,
      serverIp: isServer ? localIp : remoteIp,
      serverPort: isServer ? localPort : remotePort,
      role: isServer ? "server" : "client",
      protocol: protocol.name,
      isTls,
    });
  }

  #forget(connection: Connection): void {
    this.losses.unpaired_messages += connection.pairing.waiting;
    if (connection.hop !== undefined) {
      this.#options.forwarding.closed(connection.hop, connection.thread);
    }
    if (connection.link !== undefined) connection.link.connections--;
    this.#known.delete(connection.peers.id);
    const isTold = Number.isNaN(connection.slowest.latency);
    if (!isTold && this.#gone.length < MAX_GONE) this.#gone.push(connection);
  }
}
