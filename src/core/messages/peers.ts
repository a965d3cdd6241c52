// SPDX-License-Identifier: MulanPSL-2.0
/** What the kernel tells of a connection or a socket of datagrams, and what it is told of it. */

export type Transport = "tcp" | "udp" | "unix";

/** What is known of a connection from the start. */
export interface Peers {
  readonly id: number;
  readonly tgid: number;
  /** Name of the process. */
  readonly comm: string;
  readonly transport: Transport;
  /** NaN: not found. */
  readonly fd: number;
  readonly localIp: string;
  readonly localPort: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  /** Nothing was said before; otherwise it is seen from somewhere in its middle. */
  readonly isNew: boolean;
  /** Its pieces are seen in plain, before they are encrypted or after. */
  readonly isTls: boolean;
}

/** What the kernel is told of a connection: a forgotten one is announced again when somebody speaks. */
export type Verdict = "wanted" | "unwanted" | "forgotten";
