// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Lines on their way to a place that may be away: in memory while it takes them, in the spool while it does not, and
 * always in order. A durable outbox has written all to the spool when `push` returns, so that the end of the process
 * loses nothing.
 */
import { messageOf } from "../core/errors.ts";
import type { LineSink, SinkStats } from "./line_sink.ts";
import type { Spool } from "./spool.ts";

export interface OutboxOptions {
  /** Name of its queue in the spool. */
  readonly kind: string;
  readonly durable: boolean;
  /** Resolves to undefined where nothing is kept on disk. */
  readonly spool: Promise<Spool | undefined>;
  /** What may wait in memory. */
  readonly maxBytes: number;
  readonly maxLines: number;
  /** Told that there is something to take. */
  readonly wake: () => void;
  /** Told when the spool cannot be written, and when it can again. */
  readonly changed: (text: string, works: boolean) => void;
}

export interface TakenLines {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lines: number;
  /** Sending them may have succeeded before. */
  repeated: boolean;
  /** Who sends them in portions notes here how far it is, and how many of those before will never arrive. */
  sentBytes: number;
  lostLines: number;
}

interface Held extends TakenLines {
  spooled: boolean;
}

const NEWLINE = 10;
/** What waits for a place that is slow, or hangs, is better on disk: two readings of 5,000 rows. */
const SPOOLED_FROM_BYTES = 8e6;

export class Outbox implements LineSink {
  readonly kind: string;
  readonly #options: OutboxOptions;
  readonly #losses: Record<string, number> = {};
  #queue: TakenLines[] = [];
  #queuedBytes = 0;
  #queuedLines = 0;
  #spool: Spool | undefined;
  #held: Held | undefined;
  #online = false;
  #spilling: Promise<void> | undefined;
  /** While what is being sent is written to the spool. */
  #keeping: Promise<void> | undefined;
  #spoolWorks = true;
  #delivered = 0;
  #repeated = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.kind = options.kind;
    options.spool.then((spool) => {
      this.#spool = spool;
      this.#wake();
    });
  }

  get stats(): SinkStats {
    const { dropped = 0, broken = 0, bytes = 0 } = this.#spool?.queue(this.kind) ?? {};
    const losses: Record<string, number> = { ...this.#losses };
    if (dropped > 0) losses.spool_full = (losses.spool_full ?? 0) + dropped;
    if (broken > 0) losses.spool_broken = broken;
    return {
      lines: this.#delivered,
      losses,
      queuedBytes: this.#queuedBytes,
      spooledBytes: bytes,
      repeated: this.#repeated,
    };
  }

  /** Lines that wait, in memory and on disk. */
  get waiting(): number {
    const held = this.#held?.spooled === false ? this.#held.lines : 0;
    return this.#queuedLines + this.#spooledLines + held;
  }

  /** Whether `take` would give something. */
  get ready(): boolean {
    if (this.#held !== undefined || this.#spooledLines > 0) return true;
    return this.#queue.length > 0 && !this.#mustSpool && this.#spilling === undefined;
  }

  push(bytes: Uint8Array<ArrayBuffer>, lines: number): void {
    if (!this.#keepNow(bytes, lines)) {
      this.#enqueue({ bytes, lines, repeated: false, sentBytes: 0, lostLines: 0 });
    }
    this.#wake();
  }

  get pressed(): boolean {
    const { maxBytes, maxLines } = this.#options;
    return this.#queuedBytes > maxBytes / 2 || this.#queuedLines > maxLines / 2;
  }

  /** The place takes lines, or does not: then they go to the spool. */
  set online(online: boolean) {
    this.#online = online;
    this.#wake();
  }

  /** The oldest lines, about `maxBytes` of them; the same ones until `sent` or `refused`. */
  async take(maxBytes: number): Promise<TakenLines | undefined> {
    if (this.#held !== undefined) return this.#held;
    if (this.#spooledLines > 0) {
      const lines = await this.#spool!.peek(this.kind, maxBytes);
      if (lines !== undefined) this.#held = { ...lines, sentBytes: 0, lostLines: 0, spooled: true };
    } else if (this.ready) this.#held = { ...this.#dequeue(maxBytes), spooled: false };
    return this.#held;
  }

  /** What was taken has arrived, but for the lines that never will. */
  async sent(): Promise<void> {
    await this.#keeping;
    const held = this.#held;
    if (held === undefined) return; // it was closed meanwhile
    this.#settle(held, held.lines);
    if (held.spooled) await this.#spool!.done(this.kind);
    this.#held = undefined;
    this.#wake();
  }

  /** What was taken did not arrive, or nobody knows: it is taken again. */
  async failed(unknown: boolean): Promise<void> {
    await this.#keeping;
    const held = this.#held;
    if (held === undefined) return;
    held.repeated ||= unknown;
    if (held.spooled) {
      // What arrived in part, or perhaps, is kept as it was taken: the spool cannot tell its rest.
      if (held.repeated || held.sentBytes > 0) return;
      await this.#spool!.undone(this.kind);
      this.#held = undefined;
      return;
    }
    this.#held = undefined;
    const rest = restOf(held);
    this.#settle(held, held.lines - rest.lines);
    this.#queue.unshift(rest);
    this.#queuedBytes += rest.bytes.length;
    this.#queuedLines += rest.lines;
    this.#wake();
  }

  /** Resolves when nothing is in memory that the spool can hold. */
  async close(): Promise<void> {
    await this.#keeping;
    if (this.#held?.spooled === false) await this.failed(true);
    this.online = false;
    await this.#spilling;
    if (this.#queuedLines > 0) this.#lose("not_kept", this.#queuedLines);
  }

  get #spooledLines(): number {
    return this.#spool?.queue(this.kind).lines ?? 0;
  }

  get #mustSpool(): boolean {
    return this.#spool !== undefined && this.#spoolWorks && this.#wantsSpool;
  }

  /** Durable lines go to disk at once, unless older ones are still in memory. */
  #keepNow(bytes: Uint8Array<ArrayBuffer>, lines: number): boolean {
    if (!this.#options.durable || this.#spool === undefined || !this.#spoolWorks) return false;
    // What is being sent out of memory is older than what would be spooled.
    if (this.#queue.length > 0 || this.#held?.spooled === false) return false;
    try {
      return this.#spool.appendNow(this.kind, bytes, lines);
    } catch (error) {
      this.#tell(false, error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  #wake(): void {
    if (this.#queue.length > 0 && this.#spool !== undefined && this.#wantsSpool) {
      this.#spilling ??= this.#spill().finally(() => {
        this.#spilling = undefined;
        this.#options.wake();
      });
    }
    this.#options.wake();
  }

  /** Whatever the disk said the last time: it is tried again with the next lines. */
  get #wantsSpool(): boolean {
    if (this.#options.durable || !this.#online || this.#spooledLines > 0) return true;
    return this.pressed || this.#queuedBytes > SPOOLED_FROM_BYTES;
  }

  async #spill(): Promise<void> {
    this.#keeping = this.#keepHeld().finally(() => this.#keeping = undefined);
    await this.#keeping;
    while (this.#queue.length > 0 && this.#held?.spooled !== false) {
      const { bytes, lines, repeated } = this.#queue[0]!;
      let fits: boolean;
      try {
        fits = await this.#spool!.append(this.kind, bytes, lines, repeated);
      } catch (error) {
        this.#tell(false, messageOf(error));
        return;
      }
      this.#tell(true, "");
      this.#queue.shift();
      this.#queuedBytes -= bytes.length;
      this.#queuedLines -= lines;
      if (!fits) this.#lose("spool_full", lines);
    }
  }

  /** What is being sent comes first, also on disk: a place that hangs may not take it for a long time. */
  async #keepHeld(): Promise<void> {
    const held = this.#held;
    if (held === undefined || held.spooled) return;
    const { bytes, lines, repeated } = held;
    try {
      if (!await this.#spool!.append(this.kind, bytes, lines, repeated)) return;
      await this.#spool!.peek(this.kind, bytes.length);
      held.spooled = true;
    } catch (error) {
      this.#tell(false, messageOf(error));
    }
  }

  #enqueue(entry: TakenLines): void {
    const { maxBytes, maxLines } = this.#options;
    const first = this.#spilling === undefined ? 0 : 1; // that one is being written
    while (
      this.#queue.length > first &&
      (this.#queuedBytes + entry.bytes.length > maxBytes ||
        this.#queuedLines + entry.lines > maxLines)
    ) {
      const [{ bytes, lines }] = this.#queue.splice(first, 1) as [TakenLines];
      this.#queuedBytes -= bytes.length;
      this.#queuedLines -= lines;
      this.#lose("queue_full", lines);
    }
    this.#queue.push(entry);
    this.#queuedBytes += entry.bytes.length;
    this.#queuedLines += entry.lines;
  }

  #dequeue(maxBytes: number): TakenLines {
    const pieces = [this.#queue.shift()!];
    let size = pieces[0]!.bytes.length;
    const { repeated } = pieces[0]!;
    while (
      this.#queue.length > 0 && size + this.#queue[0]!.bytes.length <= maxBytes &&
      this.#queue[0]!.repeated === repeated
    ) {
      size += this.#queue[0]!.bytes.length;
      pieces.push(this.#queue.shift()!);
    }
    const lines = pieces.reduce((sum, piece) => sum + piece.lines, 0);
    this.#queuedBytes -= size;
    this.#queuedLines -= lines;
    if (pieces.length === 1) return pieces[0]!;
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece.bytes, at);
      at += piece.bytes.length;
    }
    return { bytes, lines, repeated, sentBytes: 0, lostLines: 0 };
  }

  /** Of what was held, so many lines are done with. */
  #settle({ lostLines, repeated }: Held, lines: number): void {
    this.#delivered += lines - lostLines;
    if (repeated) this.#repeated += lines - lostLines;
    if (lostLines > 0) this.#lose("refused", lostLines);
  }

  #lose(reason: string, lines: number): void {
    this.#losses[reason] = (this.#losses[reason] ?? 0) + lines;
  }

  #tell(works: boolean, reason: string): void {
    if (works === this.#spoolWorks) return;
    this.#spoolWorks = works;
    const what = works ? "The spool takes" : "The spool does not take";
    this.#options.changed(
      `${what} lines of kind "${this.kind}"${works ? " again" : `: ${reason}`}`,
      works,
    );
  }
}

/** What was not sent of lines that are sent in portions. */
function restOf({ bytes, lines, repeated, sentBytes }: TakenLines): TakenLines {
  const rest = sentBytes === 0 ? bytes : bytes.slice(sentBytes);
  let count = lines;
  if (sentBytes > 0) {
    count = 0;
    for (const byte of rest) if (byte === NEWLINE) count++;
  }
  return { bytes: rest, lines: count, repeated, sentBytes: 0, lostLines: 0 };
}
