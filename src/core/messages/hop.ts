// SPDX-License-Identifier: MulanPSL-2.0
/** The connections of a proxy, to its clients and to its servers, and what is underway on them. */
import type { Peers } from "./peers.ts";
import type { Chunk } from "./protocol.ts";

/** What of a connection tells of its ends. */
type HopPeers = Pick<
  Peers,
  "tgid" | "comm" | "localIp" | "localPort" | "remoteIp" | "remotePort"
>;

/** How the first piece of one direction begins. */
export interface Opening {
  readonly hash: number;
  readonly known: number;
  /** The order of such pieces and of connections that are opened. */
  readonly turn: number;
  /** It has a line that begins with a capital, as headers have that nobody has written anew in lower case. */
  readonly hasCapitals: boolean;
}

const PAST: Opening = { hash: 0, known: 0, turn: 0, hasCapitals: false };
const OPENING_BYTES = 64;
const LF = 10;

export class Hop {
  /** The proxy opened it, at this turn; NaN: others did. */
  opened = NaN;
  received: Opening | undefined;
  sent: Opening | undefined;
  /** Whole connections are forwarded, and it is known to where. */
  isForwarded = false;
  /** Of a client: requests without an answer. */
  readonly incoming: Incoming[] = [];
  /** Of a server: the last thing that was sent. */
  outgoing: Outgoing | undefined;
  isHttp = false;

  /** One that is not new has said things before. */
  constructor(public peers: HopPeers, isNew = true) {
    if (!isNew) this.received = this.sent = PAST;
  }

  /** It is known what it speaks; one that is older than the agent shows so whose side it is of. */
  met(protocol: string, isServer: boolean): void {
    this.isHttp = protocol === "http";
    if (!isServer && !this.isUpstream) this.opened = 0;
  }

  /** What was said before was a handshake. */
  beginTls(peers: HopPeers): void {
    this.peers = peers;
    this.received = this.sent = undefined;
    this.isHttp = false;
  }

  get isUpstream(): boolean {
    return !Number.isNaN(this.opened);
  }
}

/** Decides whose what was sent is; see forward_batch.ts. */
export interface Settling {
  isDisordered(incoming: Incoming): boolean;
  partner(incoming: Incoming): Outgoing | undefined;
  settle(incoming: Incoming, code: string | undefined): Outgoing | undefined;
  drop(item: Incoming | Outgoing): void;
  break(): void;
}

/** A request that a client sent to the proxy. */
export class Incoming {
  batch: Settling | undefined;
  /** See queue_thread.ts. */
  era = 0;
  /** What was sent on for it, where that is known at once. */
  readonly outgoing: Outgoing[] = [];
  /** Something does not fit: what was sent on for it is not certain. */
  isDoubtful = false;

  constructor(readonly hop: Hop, readonly mark: number) {}
}

/** A connection that the proxy opened for a request, or a request that it wrote to one that it had. */
export class Outgoing {
  mark = 0;
  sent = false;
  answered = false;
  /** Of the answer. */
  code = "";
  /** It is known whose it was, or that this will not be known. */
  isSettled = false;
  /** The proxy has closed the connection. */
  left = false;
  batch: Settling | undefined;
  /** See queue_thread.ts. */
  era = 0;
  incoming: Incoming | undefined;
  /** Servers that the request was sent to before, which failed. */
  readonly tried: Hop[] = [];

  constructor(public hop: Hop) {}

  /** The proxy tries it once more, on another connection. */
  retry(hop: Hop): void {
    if (this.sent) this.tried.push(this.hop);
    this.hop = hop;
    this.sent = this.left = false;
  }

  /** Servers that the request was sent to. */
  get servers(): readonly Hop[] {
    return this.sent ? [...this.tried, this.hop] : this.tried;
  }
}

export function openingOf({ bytes, start, end }: Chunk, turn: number): Opening {
  const known = Math.min(end - start, OPENING_BYTES);
  let hash = known;
  let hasCapitals = false;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (i - start < known) hash = Math.imul(hash, 31) + byte | 0;
    if (i > start && bytes[i - 1] === LF && byte >= 65 && byte <= 90) hasCapitals = true;
  }
  return { hash, known, turn, hasCapitals };
}

export function isSameOpening(a: Opening | undefined, b: Opening | undefined): boolean {
  return a?.hash === b?.hash && a?.known === b?.known;
}

/** Neither was it answered, nor has it failed. */
export function isUnderway({ sent, answered, left }: Outgoing): boolean {
  return !left && !(sent && answered);
}
