// SPDX-License-Identifier: MulanPSL-2.0
/** Counts messages that went to and came from topics of a broker. Memory: about 400 bytes a row, of a bounded number. */
import type { Peers } from "./peers.ts";

/** As the original names them. */
export type TopicSide = "Producer" | "Consumer";

export interface TopicCount {
  readonly side: TopicSide;
  readonly topic: string;
  readonly client: readonly [ip: string, port: number];
  readonly server: readonly [ip: string, port: number];
  count: number;
  idleReadings: number;
}

const MAX_IDLE_READINGS = 60;

export class TopicCounts {
  /** Rows that there was no room for. */
  refused = 0;
  readonly #rows = new Map<string, TopicCount>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  add(peers: Peers, isServer: boolean, side: TopicSide, topic: string, count: number): void {
    const key = `${peers.id} ${side} ${topic}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      if (this.#rows.size >= this.#most) {
        this.refused++;
        return;
      }
      const local = [peers.localIp, peers.localPort] as const;
      const remote = [peers.remoteIp, peers.remotePort] as const;
      const [client, server] = isServer ? [remote, local] : [local, remote];
      this.#rows.set(key, row = { side, topic, client, server, count: 0, idleReadings: 0 });
    }
    row.count += count;
    row.idleReadings = 0;
  }

  all(): Iterable<TopicCount> {
    return this.#rows.values();
  }

  /** Forgets what was silent for long; called once a reading. */
  age(): void {
    for (const [key, row] of this.#rows) {
      if (++row.idleReadings > MAX_IDLE_READINGS) this.#rows.delete(key);
    }
  }
}
