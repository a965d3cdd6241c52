// SPDX-License-Identifier: MulanPSL-2.0
/**
 * SIGINT and SIGTERM, heeded before the rest of the program is even read, which takes some 50 ms: who ends it that early
 * sees it end with 0 too. A signal that comes before any script runs ends it as it ends every process.
 */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

export class EndSignals {
  /** Resolves to the first that came. */
  readonly asked: Promise<Deno.Signal>;
  #came: Deno.Signal | undefined;
  readonly #listeners: readonly (readonly [Deno.Signal, () => void])[];

  constructor() {
    const { promise, resolve } = Promise.withResolvers<Deno.Signal>();
    this.asked = promise;
    this.#listeners = SIGNALS.map((signal) => [signal, () => {
      this.#came ??= signal;
      resolve(signal);
    }]);
    for (const [signal, listener] of this.#listeners) Deno.addSignalListener(signal, listener);
  }

  get came(): boolean {
    return this.#came !== undefined;
  }

  /** From now on they end the process at once; so does one that has come. */
  ignore(): void {
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
    if (this.#came !== undefined) Deno.kill(Deno.pid, this.#came);
  }
}
