// SPDX-License-Identifier: MulanPSL-2.0
/** One client of an HttpListener: reads its requests one after the other, and bounds what it can hold and how long. */
import { setImmediate } from "node:timers/promises";
import {
  BadRequest,
  endOfHead,
  type HttpRequest,
  parseRequest,
  renderAnswerHead,
} from "./http_head.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Called when the body is no longer needed. */
  readonly release?: () => void;
}

export interface ConnectionLimits {
  /** From the first byte of a request to the end of its head. */
  readonly headMs: number;
  /** Between two requests; longer than the interval of most scrapers, whose connection it keeps. */
  readonly idleMs: number;
  /** From the end of the head to the last byte of the answer. */
  readonly answerMs: number;
}

export interface ConnectionOwner {
  readonly limits: ConnectionLimits;
  answer(request: HttpRequest): HttpAnswer | Promise<HttpAnswer>;
  answered(status: number, request?: HttpRequest): void;
  /** What the handler throws. */
  failed(error: unknown): void;
  /** The client passed a deadline with a request begun or an answer not read. */
  timedOut(): void;
  idle(connection: HttpConnection): void;
  /** Ends what goes on in the socket: closing a Deno.Conn (2.7) ends neither a waiting write nor a TLS handshake. */
  breakOff(conn: Deno.Conn): void;
}

export const MAX_HEAD_BYTES = 8192;
/** A piece of an answer given to the system at once; the first goes along with the head, copied. */
const WRITE_BYTES = 65536;
/** Time for the client to read the last answer, before what it still sends would reset the connection. */
const LINGER_MS = 500;

type Phase = "idle" | "head" | "answer" | "linger" | "closed";

const EMPTY = new Uint8Array();
const encoder = new TextEncoder();

export class HttpConnection {
  /** Resolves when nothing of the connection is left. */
  readonly done: Promise<void>;
  readonly #conn: Deno.Conn;
  readonly #owner: ConnectionOwner;
  readonly #buffer = new Uint8Array(MAX_HEAD_BYTES);
  /** Bytes of the buffer that came and were not yet used. */
  #filled = 0;
  #phase: Phase = "idle";
  #writing = false;
  #stopped = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Serves the client; with `refusal` it is told that and nothing else. */
  constructor(conn: Deno.Conn, owner: ConnectionOwner, refusal?: HttpAnswer) {
    this.#conn = conn;
    this.#owner = owner;
    this.done = this.#run(refusal);
  }

  get busy(): boolean {
    return this.#phase === "answer";
  }

  /** Lets an answer under way end, and nothing else. */
  stop(): void {
    this.#stopped = true;
    if (!this.busy) this.cut();
  }

  /** Ends the connection at once. */
  cut(): void {
    if (this.#phase === "closed") return;
    if (this.#writing || "handshake" in this.#conn) this.#owner.breakOff(this.#conn);
    this.#close();
  }

  #close(): void {
    clearTimeout(this.#timer);
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#conn.close();
  }

  async #run(refusal: HttpAnswer | undefined): Promise<void> {
    try {
      if (refusal === undefined) { while (await this.#serveOne()); }
      else await this.#refuse(refusal);
    } catch (error) {
      // Whatever goes wrong on the wire is the client's matter, or our own cut.
      if (!isWireError(error)) this.#owner.failed(error);
    } finally {
      this.#close();
    }
  }

  async #refuse(refusal: HttpAnswer): Promise<void> {
    this.#enter("answer", LINGER_MS);
    await this.#send(refusal);
    await this.#linger();
  }

  /** Reads and answers one request; false when it was the last. */
  async #serveOne(): Promise<boolean> {
    const head = await this.#readHead();
    if (head === undefined) return false;
    this.#enter("answer", this.#owner.limits.answerMs);
    if (head instanceof BadRequest) {
      await this.#send(plainAnswer(head.status, head.message));
    } else {
      await this.#send(await this.#answerTo(head), head);
      if (this.#stays(head)) {
        this.#owner.idle(this);
        return true;
      }
    }
    await this.#linger();
    return false;
  }

  /** The next request; undefined when the client has ended the connection. */
  async #readHead(): Promise<HttpRequest | BadRequest | undefined> {
    const { idleMs, headMs } = this.#owner.limits;
    if (this.#filled === 0) this.#enter("idle", idleMs);
    else this.#enter("head", headMs);
    for (let looked = 0;;) {
      const end = endOfHead(this.#buffer.subarray(0, this.#filled), looked);
      if (end > 0) return this.#take(end);
      if (this.#filled === MAX_HEAD_BYTES) {
        return new BadRequest(431, `The request's head has more than ${MAX_HEAD_BYTES} bytes`);
      }
      looked = this.#filled;
      const count = await this.#conn.read(this.#buffer.subarray(this.#filled));
      if (count === null) return undefined;
      if (this.#phase === "idle") this.#enter("head", headMs);
      this.#filled += count;
    }
  }

  #take(end: number): HttpRequest | BadRequest {
    try {
      return parseRequest(this.#buffer.subarray(0, end));
    } catch (error) {
      if (error instanceof BadRequest) return error;
      throw error;
    } finally {
      this.#buffer.copyWithin(0, end, this.#filled);
      this.#filled -= end;
    }
  }

  async #answerTo(request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await this.#owner.answer(request);
    } catch (error) {
      this.#owner.failed(error);
      return plainAnswer(500, "Internal error, see the log");
    }
  }

  #stays(request: HttpRequest | undefined): boolean {
    return request?.keepAlive === true && !this.#stopped;
  }

  async #send(
    { status, headers, body, release }: HttpAnswer,
    request?: HttpRequest,
  ): Promise<void> {
    this.#writing = true;
    try {
      this.#owner.answered(status, request);
      const head = renderAnswerHead(status, {
        date: new Date().toUTCString(),
        ...headers,
        "content-length": String(body.length),
        connection: this.#stays(request) ? "keep-alive" : "close",
      });
      const content = request?.method === "HEAD" ? EMPTY : body;
      const together = Math.min(content.length, WRITE_BYTES);
      await this.#write(joined(head, content.subarray(0, together)));
      for (let at = together; at < content.length; at += WRITE_BYTES) {
        await this.#write(content.subarray(at, at + WRITE_BYTES));
        // A write that need not wait gives no turn to others.
        await setImmediate();
      }
    } finally {
      this.#writing = false;
      release?.();
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Closes our side first and drops what still comes, else the client may lose the answer to a reset. */
  async #linger(): Promise<void> {
    if (this.#phase === "closed") return;
    this.#enter("linger", LINGER_MS);
    await this.#conn.closeWrite();
    while (await this.#conn.read(this.#buffer) !== null);
  }

  #enter(phase: Phase, deadlineMs: number): void {
    clearTimeout(this.#timer);
    if (this.#phase === "closed") return;
    this.#phase = phase;
    this.#timer = setTimeout(() => {
      if (phase === "head" || phase === "answer") this.#owner.timedOut();
      this.cut();
    }, deadlineMs);
  }
}

const WIRE_ERRORS = [
  Deno.errors.BadResource,
  Deno.errors.Interrupted,
  Deno.errors.ConnectionReset,
  Deno.errors.ConnectionAborted,
  Deno.errors.BrokenPipe,
  Deno.errors.NotConnected,
  Deno.errors.UnexpectedEof,
  Deno.errors.TimedOut,
  // A TLS record that is none.
  Deno.errors.InvalidData,
];

function isWireError(error: unknown): boolean {
  return WIRE_ERRORS.some((type) => error instanceof type);
}

/** An answer of text. */
export function plainAnswer(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  const type = { "content-type": "text/plain; charset=utf-8" };
  return { status, headers: { ...type, ...headers }, body: encoder.encode(`${text}\n`) };
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}
