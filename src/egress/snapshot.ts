// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The last page of each form, plain and compressed, until a table changes. Reading it consumes nothing and waits for
 * no probe. Memory: a buffer of the size of the largest page for each form that is asked for, and one for each older
 * page that a slow client is still being sent.
 */
import type { Store } from "../core/store.ts";
import { ByteWriter } from "./byte_writer.ts";
import { Exposition, type ExpositionForm, type LooseFamily } from "./exposition.ts";
import { gzip } from "./gzip.ts";

/** What must be held while its bytes are in use: they are reused afterwards. */
export interface HeldPage extends Disposable {
  readonly bytes: Uint8Array;
}

export interface SnapshotStats {
  /** Pages encoded. */
  readonly pages: number;
  readonly encodeSeconds: number;
  readonly gzipSeconds: number;
  /** Of the last page. */
  readonly bytes: number;
  readonly series: number;
}

export interface SnapshotOptions {
  readonly store: Store;
  /** Families beside the tables: the agent's own metrics. */
  readonly loose?: () => Promise<readonly LooseFamily[]>;
  /** Age up to which those count as unchanged: bounds the work that a flood of requests can cause. */
  readonly looseMaxAgeMs?: number;
}

/** A buffer is kept unless it is this many times larger than its page, so that one huge page does not stay for ever. */
const MAX_WASTE = 4;
/** A new buffer gets the size of the last page and this much more, because growing copies it in one go. */
const ROOM_TO_GROW = 1.125;
const MIN_BYTES = 65536;
const SMALL_BYTES = 1 << 20;

interface Page {
  readonly writer: ByteWriter;
  readonly version: number;
  readonly madeAt: number;
  compressed?: Promise<Uint8Array>;
  /** Requests that are being sent its bytes. */
  holders: number;
  current: boolean;
}

interface Encoding {
  page: Promise<Page>;
  /** Requests that wait for it, each of which holds the page from its first moment. */
  waiting: number;
}

interface Shelf {
  page?: Page | undefined;
  encoding?: Encoding | undefined;
  /** A buffer that no page uses. */
  spare?: ByteWriter | undefined;
}

export class Snapshot {
  readonly #store: Store;
  readonly #exposition: Exposition;
  readonly #loose: (() => Promise<readonly LooseFamily[]>) | undefined;
  readonly #maxAgeMs: number;
  readonly #shelves: Readonly<Record<ExpositionForm, Shelf>> = { text: {}, openmetrics: {} };
  #stats: SnapshotStats = { pages: 0, encodeSeconds: 0, gzipSeconds: 0, bytes: 0, series: 0 };

  constructor({ store, loose, looseMaxAgeMs = 1000 }: SnapshotOptions) {
    this.#store = store;
    this.#exposition = new Exposition(store);
    this.#loose = loose;
    this.#maxAgeMs = looseMaxAgeMs;
  }

  get stats(): SnapshotStats {
    return this.#stats;
  }

  /** The page as it is now; requests at the same time share one encoding. */
  async page(form: ExpositionForm): Promise<HeldPage> {
    const page = await this.#fresh(form);
    return this.#hold(form, page, page.writer.written);
  }

  async compressedPage(form: ExpositionForm): Promise<HeldPage> {
    const page = await this.#fresh(form);
    const held = this.#hold(form, page, page.writer.written);
    try {
      page.compressed ??= this.#compress(held.bytes);
      const bytes = await page.compressed;
      return { bytes, [Symbol.dispose]: () => held[Symbol.dispose]() };
    } catch (error) {
      held[Symbol.dispose]();
      throw error;
    }
  }

  /** Resolves to a page that is already held once: between here and its holder nobody may reuse its buffer. */
  async #fresh(form: ExpositionForm): Promise<Page> {
    const shelf = this.#shelves[form];
    const { page } = shelf;
    if (page !== undefined && this.#isFresh(page)) {
      page.holders++;
      return page;
    }
    let { encoding } = shelf;
    if (encoding === undefined) {
      encoding = { waiting: 0, page: this.#encode(form, shelf) };
      shelf.encoding = encoding;
    }
    encoding.waiting++;
    return await encoding.page;
  }

  #isFresh(page: Page): boolean {
    if (page.version !== this.#store.version) return false;
    return this.#loose === undefined || performance.now() - page.madeAt < this.#maxAgeMs;
  }

  async #encode(form: ExpositionForm, shelf: Shelf): Promise<Page> {
    // Nobody asks for the page before any more.
    this.#retire(shelf);
    const writer = shelf.spare ?? new ByteWriter(this.#stats.bytes * ROOM_TO_GROW + MIN_BYTES);
    shelf.spare = undefined;
    writer.length = 0;
    try {
      const loose = await this.#loose?.();
      const madeAt = performance.now();
      const version = this.#store.version;
      const series = await this.#exposition.encode(form, writer, loose);
      this.#count(writer.length, series, performance.now() - madeAt);
      const holders = shelf.encoding!.waiting;
      const page: Page = { writer, version, madeAt, holders, current: true };
      shelf.page = page;
      return page;
    } catch (error) {
      shelf.spare = writer;
      throw error;
    } finally {
      shelf.encoding = undefined;
    }
  }

  #count(bytes: number, series: number, milliseconds: number): void {
    const { pages, encodeSeconds } = this.#stats;
    this.#stats = {
      ...this.#stats,
      pages: pages + 1,
      encodeSeconds: encodeSeconds + milliseconds / 1000,
      bytes,
      series,
    };
  }

  #retire(shelf: Shelf): void {
    if (shelf.page === undefined) return;
    shelf.page.current = false;
    this.#reuse(shelf, shelf.page);
    shelf.page = undefined;
  }

  #hold(form: ExpositionForm, page: Page, bytes: Uint8Array): HeldPage {
    let held = true;
    return {
      bytes,
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        page.holders--;
        this.#reuse(this.#shelves[form], page);
      },
    };
  }

  /** An outdated page that nobody holds gives its buffer back, unless there is a spare one or it is far too large. */
  #reuse(shelf: Shelf, { current, holders, writer }: Page): void {
    if (current || holders > 0) return;
    if (writer.bytes.length > MAX_WASTE * writer.length + SMALL_BYTES) return;
    shelf.spare ??= writer;
  }

  async #compress(bytes: Uint8Array): Promise<Uint8Array> {
    const start = performance.now();
    const compressed = await gzip(bytes);
    const gzipSeconds = this.#stats.gzipSeconds + (performance.now() - start) / 1000;
    this.#stats = { ...this.#stats, gzipSeconds };
    return compressed;
  }
}
