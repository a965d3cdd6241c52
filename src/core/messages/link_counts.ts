// SPDX-License-Identifier: MulanPSL-2.0
/** Counts what a proxy sent from a client to a server. Memory: about 400 bytes a link; what does not fit is counted. */

export interface LinkEnds {
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

export interface LinkCount {
  readonly ends: LinkEnds;
  /** Requests, or connections. */
  count: number;
  active: boolean;
  idleReadings: number;
}

const MAX_IDLE_READINGS = 60;

export class LinkCounts {
  /** Links that there was no room for. */
  refused = 0;
  readonly #links = new Map<string, LinkCount>();
  readonly #most: number;
  readonly #hasClientPort: boolean;

  /** Without the clients' ports, connections that differ only in them are one link, with port 0. */
  constructor(most: number, hasClientPort: boolean) {
    this.#most = most;
    this.#hasClientPort = hasClientPort;
  }

  add(known: LinkEnds): void {
    const ends = this.#hasClientPort ? known : { ...known, clientPort: 0 };
    const key = Object.values(ends).join(" ");
    let link = this.#links.get(key);
    if (link === undefined) {
      if (this.#links.size >= this.#most) {
        this.refused++;
        return;
      }
      this.#links.set(key, link = { ends, count: 0, active: true, idleReadings: 0 });
    }
    link.count++;
    link.active = true;
  }

  all(): Iterable<LinkCount> {
    return this.#links.values();
  }

  /** Forgets what was silent for long; called once a reading. */
  age(): void {
    for (const [key, link] of this.#links) {
      link.idleReadings = link.active ? 0 : link.idleReadings + 1;
      link.active = false;
      if (link.idleReadings >= MAX_IDLE_READINGS) this.#links.delete(key);
    }
  }
}
