// SPDX-License-Identifier: MulanPSL-2.0
/** Counts what a proxy sent from a client to a server. Memory: about 400 bytes a pair of ends; what does not fit is counted. */

export interface ForwardEnds {
  /** Name of the proxy's process. */
  readonly program: string;
  readonly clientIp: string;
  readonly clientPort: number;
  /** Where the client came to. */
  readonly virtualIp: string;
  readonly virtualPort: number;
  readonly serverIp: string;
  readonly serverPort: number;
  /** Requests were sent one by one; otherwise whole connections. */
  readonly isL7: boolean;
}

export interface ForwardCount {
  readonly ends: ForwardEnds;
  /** Requests, or connections. */
  count: number;
  active: boolean;
  idleReadings: number;
}

const MAX_IDLE_READINGS = 60;

export class ForwardCounts {
  /** Pairs of ends that there was no room for. */
  refused = 0;
  readonly #counts = new Map<string, ForwardCount>();
  readonly #most: number;
  readonly #hasClientPort: boolean;

  /** Without the clients' ports, connections that differ only in them are counted as one, with port 0. */
  constructor(most: number, hasClientPort: boolean) {
    this.#most = most;
    this.#hasClientPort = hasClientPort;
  }

  add(known: ForwardEnds): void {
    const ends = this.#hasClientPort ? known : { ...known, clientPort: 0 };
    const key = Object.values(ends).join(" ");
    let forward = this.#counts.get(key);
    if (forward === undefined) {
      if (this.#counts.size >= this.#most) {
        this.refused++;
        return;
      }
      this.#counts.set(key, forward = { ends, count: 0, active: true, idleReadings: 0 });
    }
    forward.count++;
    forward.active = true;
  }

  all(): Iterable<ForwardCount> {
    return this.#counts.values();
  }

  /** Forgets what was silent for long; called once a reading. */
  age(): void {
    for (const [key, forward] of this.#counts) {
      forward.idleReadings = forward.active ? 0 : forward.idleReadings + 1;
      forward.active = false;
      if (forward.idleReadings >= MAX_IDLE_READINGS) this.#counts.delete(key);
    }
  }
}
