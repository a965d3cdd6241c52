// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Lines that wait on disk, in a queue for each kind, oldest first. All queues share one limit: to make room the oldest
 * lines of the least important kind go first. What is written survives the end of the process, however it ends.
 *
 * A queue is a folder of segments, each a row of records (spool_segment.ts), and a cursor (spool_cursor.ts). A record
 * cut short by the end of the process is found by its checksum and cut off.
 */
import { join } from "node:path";
import { readCursor, writeCursor } from "./spool_cursor.ts";
import { packRecord, packRecordNow } from "./spool_record.ts";
import {
  readRecords,
  scanSegment,
  type Segment,
  writeRecord,
  writeRecordNow,
} from "./spool_segment.ts";

export interface SpoolOptions {
  readonly folder: string;
  readonly maxBytes: number;
  /** Names of the queues, the least important first. */
  readonly kinds: readonly string[];
}

/** Some records of one queue, the oldest. */
export interface SpooledLines {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lines: number;
  /** Sending them may have succeeded before. */
  readonly repeated: boolean;
}

export interface SpoolQueue {
  readonly bytes: number;
  readonly lines: number;
  /** Lines lost to make room, and records lost to a broken file. */
  readonly dropped: number;
  readonly broken: number;
}

const MAX_SEGMENT_BYTES = 4 << 20;
const MIN_SEGMENTS = 16;

class Queue implements SpoolQueue {
  readonly segments: Segment[] = [];
  dropped = 0;
  broken = 0;
  /** Where the record ends whose sending had begun when the last process ended. */
  attempted = 0;
  attemptedIn = -1;
  /** What `peek` gave and `done` takes away. */
  peeked: { readonly segment: Segment; readonly bytes: number; readonly lines: number } | undefined;
  tail: Deno.FsFile | undefined;
  next = 1;

  constructor(readonly folder: string) {}

  get bytes(): number {
    return this.segments.reduce((sum, { size, offset }) => sum + size - offset, 0);
  }

  get lines(): number {
    return this.segments.reduce((sum, { lines }) => sum + lines, 0);
  }
}

export class Spool {
  readonly #options: SpoolOptions;
  readonly #queues = new Map<string, Queue>();
  readonly #segmentBytes: number;
  #work: Promise<unknown> = Promise.resolve();

  private constructor(options: SpoolOptions) {
    this.#options = options;
    this.#segmentBytes = Math.min(MAX_SEGMENT_BYTES, options.maxBytes / MIN_SEGMENTS);
  }

  /** Opens what an earlier process left. Throws what the system says. */
  static async open(options: SpoolOptions): Promise<Spool> {
    const spool = new Spool(options);
    for (const kind of options.kinds) {
      spool.#queues.set(kind, await openQueue(join(options.folder, kind)));
    }
    return spool;
  }

  queue(kind: string): SpoolQueue {
    return this.#queueOf(kind);
  }

  /** Adds whole lines. Throws when the disk refuses them; false: no room, and nothing less important to drop. */
  append(
    kind: string,
    bytes: Uint8Array,
    lines: number,
    repeated = false,
  ): Promise<boolean> {
    return this.#locked(async () => {
      const queue = this.#queueOf(kind);
      const record = await packRecord(bytes, lines, repeated);
      if (!await this.#makeRoom(kind, record.length)) return false;
      const segment = this.#tailOf(queue);
      await writeRecord(queue.tail!, segment.size, record);
      segment.size += record.length;
      segment.lines += lines;
      return true;
    });
  }

  /**
   * Adds whole lines before it returns, if that takes no room from others: false then, and nothing was added. Never
   * while `append` is at work on the same queue. Throws when the disk refuses them.
   */
  appendNow(kind: string, bytes: Uint8Array, lines: number): boolean {
    const queue = this.#queueOf(kind);
    const record = packRecordNow(bytes, lines);
    if (this.#total + record.length > this.#options.maxBytes) return false;
    const segment = this.#tailOf(queue);
    writeRecordNow(queue.tail!, segment.size, record);
    segment.size += record.length;
    segment.lines += lines;
    return true;
  }

  /** The oldest lines, of about `maxBytes`; notes on disk that their sending begins. */
  peek(kind: string, maxBytes: number): Promise<SpooledLines | undefined> {
    return this.#locked(async () => {
      const queue = this.#queueOf(kind);
      const segment = queue.segments[0];
      if (segment === undefined || segment.lines === 0) return undefined;
      const repeated = queue.attemptedIn === segment.number && segment.offset < queue.attempted;
      const end = repeated ? queue.attempted : segment.size;
      const taken = await readRecords(segment, Math.min(end, segment.size), maxBytes);
      if (taken === undefined) {
        queue.broken++;
        await removeFirst(queue);
        return undefined;
      }
      queue.peeked = { segment, bytes: taken.size, lines: taken.lines };
      await saveCursor(queue, segment, segment.offset + taken.size);
      return { ...taken, repeated: repeated || taken.repeated };
    });
  }

  /** Removes what `peek` gave last, unless it was dropped meanwhile. */
  done(kind: string): Promise<void> {
    return this.#locked(async () => {
      const queue = this.#queueOf(kind);
      const { peeked } = queue;
      queue.peeked = undefined;
      if (peeked === undefined || queue.segments[0] !== peeked.segment) return;
      peeked.segment.offset += peeked.bytes;
      peeked.segment.lines -= peeked.lines;
      queue.attempted = 0;
      if (peeked.segment.offset >= peeked.segment.size) await removeFirst(queue);
      else await saveCursor(queue, peeked.segment, 0);
    });
  }

  /** What `peek` gave was refused for good, or not taken: it stays, and has not arrived. */
  undone(kind: string): Promise<void> {
    return this.#locked(async () => {
      const queue = this.#queueOf(kind);
      const segment = queue.peeked?.segment;
      queue.peeked = undefined;
      if (segment !== undefined && queue.segments[0] === segment) {
        await saveCursor(queue, segment, 0);
      }
    });
  }

  async close(): Promise<void> {
    await this.#locked(() => {
      for (const queue of this.#queues.values()) closeTail(queue);
      return Promise.resolve();
    });
  }

  #queueOf(kind: string): Queue {
    const queue = this.#queues.get(kind);
    if (queue === undefined) throw new TypeError(`There is no queue "${kind}"`);
    return queue;
  }

  /** The segment that is written. */
  #tailOf(queue: Queue): Segment {
    const segment = queue.segments.at(-1);
    if (segment === undefined || queue.tail === undefined || segment.size >= this.#segmentBytes) {
      return startSegment(queue);
    }
    return segment;
  }

  get #total(): number {
    return [...this.#queues.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Steps follow one another: they share files and their order. */
  #locked<Result>(step: () => Promise<Result>): Promise<Result> {
    const result = this.#work.then(step);
    this.#work = result.catch(() => {});
    return result;
  }

  /** The less important leave a segment's room, so that the most important need not wait for it. */
  async #makeRoom(kind: string, wanted: number): Promise<boolean> {
    const { kinds } = this.#options;
    const reserve = kind === kinds.at(-1) ? 0 : this.#segmentBytes;
    const maxBytes = this.#options.maxBytes - reserve;
    for (const candidate of kinds.slice(0, kinds.indexOf(kind) + 1)) {
      const queue = this.#queueOf(candidate);
      while (this.#total + wanted > maxBytes && queue.segments.length > 0) {
        queue.dropped += queue.segments[0]!.lines;
        await removeFirst(queue);
      }
    }
    return this.#total + wanted <= maxBytes;
  }
}

async function openQueue(folder: string): Promise<Queue> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const queue = new Queue(folder);
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) if (/^\d{16}$/.test(name)) names.push(name);
  const cursor = await readCursor(folder);
  // Later it is only overwritten, which a full disk allows.
  if (cursor === undefined) await writeCursor(folder, { segment: 0, offset: 0, attempted: 0 });
  for (const name of names.sort()) {
    const segment = {
      path: join(folder, name),
      number: Number(name),
      size: 0,
      offset: 0,
      lines: 0,
    };
    queue.next = segment.number + 1;
    if (cursor?.segment === segment.number) segment.offset = cursor.offset;
    if (!await scanSegment(segment)) queue.broken++;
    if (segment.lines > 0) queue.segments.push(segment);
    else await Deno.remove(segment.path);
  }
  queue.attemptedIn = cursor?.segment ?? -1;
  queue.attempted = cursor?.attempted ?? 0;
  return queue;
}

function startSegment(queue: Queue): Segment {
  closeTail(queue);
  const number = queue.next;
  const path = join(queue.folder, String(number).padStart(16, "0"));
  queue.tail = Deno.openSync(path, { create: true, append: true, mode: 0o600 });
  queue.next = number + 1;
  const segment = { path, number, size: 0, offset: 0, lines: 0 };
  queue.segments.push(segment);
  return segment;
}

async function removeFirst(queue: Queue): Promise<void> {
  const segment = queue.segments.shift()!;
  if (queue.segments.length === 0) closeTail(queue);
  await Deno.remove(segment.path);
}

function closeTail(queue: Queue): void {
  queue.tail?.close();
  queue.tail = undefined;
}

/** `attempted`: sending up to there begins; 0: nothing is being sent. */
function saveCursor({ folder }: Queue, segment: Segment, attempted: number): Promise<void> {
  return writeCursor(folder, { segment: segment.number, offset: segment.offset, attempted });
}
