// SPDX-License-Identifier: MulanPSL-2.0
/**
 * A small HTTP/1.1 server for requests without body, with a bound on everything a client can hold.
 *
 * Deno.serve was tried first (2.7): it keeps a client that never sends a request, or never reads its answer, for
 * ever, cannot cut off a single one, and copies every answer; a few hundred such clients take all file descriptors
 * of the agent. node:net leaks 5 KB a connection. Here each phase has a deadline, and when all connections are
 * taken, the one that has waited longest without a complete request makes room.
 */
import type { HttpRequest } from "./http_head.ts";
import {
  type ConnectionLimits,
  type ConnectionOwner,
  type HttpAnswer,
  HttpConnection,
  plainAnswer,
} from "./http_connection.ts";

export interface HttpLimits extends ConnectionLimits {
  readonly connections: number;
}

export const HTTP_LIMITS: HttpLimits = {
  connections: 100,
  headMs: 10_000,
  idleMs: 120_000,
  answerMs: 30_000,
};

export interface HttpListenerOptions {
  readonly hostname: string;
  /** 0: any that is free. */
  readonly port: number;
  /** PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  readonly limits?: Partial<HttpLimits> | undefined;
  readonly answer: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;
  /** Shuts down our socket to a client; without, what waits for a client lasts until that ends. */
  readonly breakOff?: ((remote: Deno.NetAddr) => void) | undefined;
  /** Told each answer's status; the request is missing if it could not be understood. */
  readonly answered: (status: number, request?: HttpRequest) => void;
  /** Told of what `answer` or the system throws. */
  readonly failed: (error: unknown) => void;
}

export interface ConnectionStats {
  readonly open: number;
  readonly accepted: number;
  /** Connections that were closed before their time to make room for another. */
  readonly evicted: number;
  /** Connections that were refused because all others were being answered. */
  readonly refused: number;
  /** Connections that passed a deadline with a request begun or an answer not read. */
  readonly timedOut: number;
}

/** Somebody else listens there. */
export class AddressInUse extends Error {
  override readonly name = "AddressInUse";
  constructor(readonly hostname: string, readonly port: number, options?: ErrorOptions) {
    super(`Cannot listen on "${hostname}" port ${port}: it is in use`, options);
  }
}

/** Clients that are told at the same time that there is no room; further ones are just closed. */
const MAX_REFUSALS = 20;

const RETRY_ACCEPT_MS = 100;

export class HttpListener {
  readonly #options: HttpListenerOptions;
  readonly #limits: HttpLimits;
  readonly #owner: ConnectionOwner;
  readonly #listener: Deno.TcpListener | Deno.TlsListener;
  /** In the order in which they last became idle. */
  readonly #connections = new Set<HttpConnection>();
  readonly #refusals = new Set<HttpConnection>();
  readonly #stats = { accepted: 0, evicted: 0, refused: 0, timedOut: 0 };
  readonly #accepting: Promise<void>;
  #closing = false;

  /** Throws AddressInUse, or what the system says about the address or the TLS library about the certificate. */
  constructor(options: HttpListenerOptions) {
    this.#options = options;
    this.#limits = { ...HTTP_LIMITS, ...options.limits };
    this.#owner = this.#makeOwner();
    this.#listener = listen(options);
    this.#accepting = this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  get stats(): ConnectionStats {
    return { ...this.#stats, open: this.#connections.size };
  }

  /** Stops listening, lets answers under way end within `graceMs`, and cuts off the rest. */
  async close(graceMs = 1000): Promise<void> {
    if (!this.#closing) this.#listener.close();
    this.#closing = true;
    const all = [...this.#connections, ...this.#refusals];
    for (const connection of all) connection.stop();
    const deadline = setTimeout(() => all.forEach((connection) => connection.cut()), graceMs);
    await Promise.all([this.#accepting, ...all.map(({ done }) => done)]);
    clearTimeout(deadline);
  }

  #makeOwner(): ConnectionOwner {
    const { answer, answered, failed, breakOff } = this.#options;
    return {
      limits: this.#limits,
      answer,
      answered,
      failed,
      timedOut: () => this.#stats.timedOut++,
      idle: (connection) => {
        this.#connections.delete(connection);
        this.#connections.add(connection);
      },
      breakOff: ({ remoteAddr }) => {
        if (remoteAddr.transport === "tcp") breakOff?.(remoteAddr);
      },
    };
  }

  async #accept(): Promise<void> {
    while (!this.#closing) {
      try {
        this.#welcome(await this.#listener.accept());
      } catch (error) {
        if (this.#closing) return;
        // Such as too many open files, which passes when others end.
        this.#options.failed(error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_ACCEPT_MS));
      }
    }
  }

  #welcome(conn: Deno.TcpConn | Deno.TlsConn): void {
    this.#stats.accepted++;
    if ("setNoDelay" in conn) conn.setNoDelay(true);
    if (this.#connections.size < this.#limits.connections || this.#evict()) {
      this.#keep(this.#connections, new HttpConnection(conn, this.#owner));
      return;
    }
    this.#stats.refused++;
    if (this.#refusals.size >= MAX_REFUSALS) {
      conn.close();
      return;
    }
    const refusal = plainAnswer(503, "Too many requests at a time, try again");
    this.#keep(this.#refusals, new HttpConnection(conn, this.#owner, refusal));
  }

  #keep(set: Set<HttpConnection>, connection: HttpConnection): void {
    set.add(connection);
    connection.done.then(() => set.delete(connection));
  }

  /** Makes room at the cost of the connection that has waited longest without a complete request. */
  #evict(): boolean {
    for (const connection of this.#connections) {
      if (connection.busy) continue;
      this.#connections.delete(connection);
      this.#stats.evicted++;
      connection.cut();
      return true;
    }
    return false;
  }
}

function listen({ hostname, port, tls }: HttpListenerOptions): Deno.TcpListener | Deno.TlsListener {
  try {
    return tls === undefined
      ? Deno.listen({ hostname, port })
      : Deno.listenTls({ hostname, port, cert: tls.cert, key: tls.key });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) {
      throw new AddressInUse(hostname, port, { cause: error });
    }
    throw error;
  }
}
