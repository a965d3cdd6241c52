// SPDX-License-Identifier: MulanPSL-2.0
/** One connection: what is known of it, and what becomes of its messages. Memory: about 1.5 KB. */
import type { Forwarding } from "./forwarding.ts";
import type { Hop } from "./hop.ts";
import { type Fault, type MessageSink, Pairing } from "./pairing.ts";
import type { Peers } from "./peers.ts";
import type { Chunk, Conversation, Protocol } from "./protocol.ts";
import type { TopicCounts, TopicSide } from "./topic_counts.ts";
import type { Link } from "./traffic.ts";

/** The last message of a connection, and the slowest since the last reading. */
export interface Sample {
  operation: string;
  code: string;
  latency: number;
}

/** What a connection began with. */
interface Prefix {
  readonly sent: boolean;
  readonly bytes: Uint8Array;
  readonly time: number;
}

/** dnsmasq reads the two bytes of a length one by one. */
const MAX_PREFIX = 8;

export class Connection implements MessageSink {
  protocol: Protocol | undefined;
  isServer = false;
  readonly last: Sample = { operation: "", code: "", latency: NaN };
  readonly slowest: Sample = { operation: "", code: "", latency: NaN };
  readonly pairing: Pairing;
  conversation: Conversation | undefined;
  guesses = 0;
  /** It begins to speak TLS; what is seen of that in plain comes later. */
  isEncrypted = false;
  /** Pieces since the last reading. */
  active = true;
  idleReadings = 0;
  link: Link | undefined;
  nextSerial = 1;
  /** It is opened by its process, and nothing was said on it yet. */
  isOpening = false;
  /** Of a proxy. */
  hop: Hop | undefined;
  /** That its last piece is of. */
  thread = 0;
  #prefix: Prefix | undefined;
  readonly #topics: TopicCounts | undefined;
  readonly #losses: { unpaired_messages: number };
  readonly #forwarding: Forwarding;

  constructor(
    public peers: Peers,
    forwarding: Forwarding,
    losses: { unpaired_messages: number },
    topics?: TopicCounts,
  ) {
    this.#forwarding = forwarding;
    this.#losses = losses;
    this.#topics = topics;
    this.pairing = new Pairing(this);
    if (!peers.isNew) this.pairing.joined();
  }

  asked(operation: string, mark = 0): void {
    if (this.hop !== undefined) this.#forwarding.asked(this.hop, this.thread, mark);
    this.link?.asked(operation);
  }

  answered(operation: string, latency: number, fault: Fault, code: string): void {
    if (this.hop !== undefined) this.#forwarding.answered(this.hop, this.thread, code);
    this.link?.answered(operation, latency, fault, code);
    note(this.last, operation, code, latency);
    if (!(latency <= this.slowest.latency)) note(this.slowest, operation, code, latency);
  }

  carried(side: TopicSide, topic: string, count: number): void {
    this.#topics?.add(this.peers, this.isServer, side, topic, count);
  }

  unpaired(count: number): void {
    this.#losses.unpaired_messages += count;
    if (this.hop !== undefined) this.#forwarding.missed(this.hop, this.thread);
  }

  /** Pieces were lost: whoever waits may have been answered, and others may have asked. */
  missed(time: number): void {
    if (this.protocol === undefined) return this.pairing.joined();
    this.conversation = this.protocol.converse(this.pairing);
    if (this.hop !== undefined) this.#forwarding.missed(this.hop, this.thread);
    this.pairing.missedAny(time);
  }

  /** The piece with what came before on the same side. */
  withPrefix(sent: boolean, chunk: Chunk): Chunk {
    const prefix = this.#prefix;
    this.#prefix = undefined;
    if (prefix === undefined) return chunk;
    if (prefix.sent !== sent) {
      this.guesses++;
      return chunk;
    }
    const end = prefix.bytes.length + chunk.end - chunk.start;
    const bytes = new Uint8Array(end);
    bytes.set(prefix.bytes);
    bytes.set(chunk.bytes.subarray(chunk.start, chunk.end), prefix.bytes.length);
    const length = prefix.bytes.length + chunk.length;
    return { bytes, start: 0, end, length, time: prefix.time };
  }

  /** Keeps a piece that may be too short to be recognised; false: it is not. */
  keepPrefix(sent: boolean, { bytes, start, end, length, time }: Chunk): boolean {
    if (length > MAX_PREFIX || length > end - start) return false;
    this.#prefix = { sent, bytes: bytes.slice(start, end), time };
    return true;
  }

  count(sent: boolean, length: number): void {
    this.active = true;
    this.link?.count(sent, length);
  }
}

function note(sample: Sample, operation: string, code: string, latency: number): void {
  sample.operation = operation;
  sample.code = code;
  sample.latency = latency;
}
