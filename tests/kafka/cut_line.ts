// SPDX-License-Identifier: MulanPSL-2.0
/** A line between clients and one broker that can be cut when it hurts most: when lines are stored, but nobody is told. */

const PRODUCE = 0;

export class CutLine implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #target: number;
  readonly #open = new Set<Deno.Conn>();
  readonly #work: Promise<void>;
  #cut: PromiseWithResolvers<void> | undefined;
  #whole = Promise.resolve();
  #mend = () => {};

  constructor(target: number) {
    this.#target = target;
    this.#work = this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Cuts the line when the broker answers the next lines that it gets. Who comes then waits for `mend`. */
  cutAtAnswer(): Promise<void> {
    this.#cut = Promise.withResolvers();
    return this.#cut.promise;
  }

  mend(): void {
    this.#mend();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#closeAll();
    await this.#work;
  }

  async #accept(): Promise<void> {
    const lines: Promise<void>[] = [];
    for await (const client of this.#listener) lines.push(this.#join(client));
    await Promise.all(lines);
  }

  async #join(client: Deno.Conn): Promise<void> {
    this.#open.add(client);
    await this.#whole;
    const broker = await Deno.connect({ hostname: "127.0.0.1", port: this.#target })
      .catch(() => undefined); // it is away, as clients see then, too
    if (broker === undefined) return this.#close(client);
    this.#open.add(broker);
    let produced = false;
    const there = this.#forward(client, broker, (bytes) => {
      // A client that waits for each answer sends a request with its head in front: size, then the kind.
      produced ||= bytes.length > 5 && bytes[4] === 0 && bytes[5] === PRODUCE;
      return true;
    });
    const back = this.#forward(broker, client, () => !(produced && this.#cutNow()));
    await Promise.all([there, back]);
  }

  async #forward(from: Deno.Conn, to: Deno.Conn, passes: (bytes: Uint8Array) => boolean) {
    const buffer = new Uint8Array(65_536);
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        const bytes = buffer.subarray(0, count);
        if (!passes(bytes)) break;
        for (let done = 0; done < count;) done += await to.write(bytes.subarray(done));
      }
    } catch {
      // One of the two is gone: so is the other.
    }
    this.#close(from);
    this.#close(to);
  }

  #cutNow(): boolean {
    if (this.#cut === undefined) return false;
    const whole = Promise.withResolvers<void>();
    this.#whole = whole.promise;
    this.#mend = whole.resolve;
    this.#closeAll();
    this.#cut.resolve();
    this.#cut = undefined;
    return true;
  }

  #closeAll(): void {
    for (const conn of this.#open) this.#close(conn);
  }

  #close(conn: Deno.Conn): void {
    if (this.#open.delete(conn)) conn.close();
  }
}
