// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What is counted of messages: for each link (process, peers, roles, protocol), and for each operation of a link.
 * Memory: about 500 bytes a link and 400 an operation; both are bounded, and what does not fit is counted.
 */
import type { Fault } from "./pairing.ts";
import type { Transport } from "./peers.ts";

/** Of the histogram of latency, in ns. */
export const LATENCY_BOUNDS = [1e7, 5e7, 1e8, 5e8, 1e9, 3e9, 1e10];

/** Requests of one kind. All only grow. */
export class Tally {
  requests = 0;
  responses = 0;
  clientErrors = 0;
  serverErrors = 0;
  readonly slots = new Float64Array(LATENCY_BOUNDS.length + 1);
  latencySum = 0;
  /** As they were at the last reading. */
  before = { requests: 0, responses: 0, clientErrors: 0, serverErrors: 0, latencySum: 0 };

  answered(latency: number, fault: Fault): void {
    this.responses++;
    if (fault === "client") this.clientErrors++;
    if (fault === "server") this.serverErrors++;
    let slot = 0;
    while (slot < LATENCY_BOUNDS.length && latency > LATENCY_BOUNDS[slot]!) slot++;
    this.slots[slot]!++;
    this.latencySum += latency;
  }

  get errors(): number {
    return this.clientErrors + this.serverErrors;
  }

  /** What came since the last call. */
  period(): Tally["before"] {
    const { requests, responses, clientErrors, serverErrors, latencySum, before } = this;
    this.before = { requests, responses, clientErrors, serverErrors, latencySum };
    return {
      requests: requests - before.requests,
      responses: responses - before.responses,
      clientErrors: clientErrors - before.clientErrors,
      serverErrors: serverErrors - before.serverErrors,
      latencySum: latencySum - before.latencySum,
    };
  }
}

const MAX_IDLE_READINGS = 60;

export type L7Role = "client" | "server";

/** Names of operations that a link has no room for. */
const NOWHERE: Pick<Tally, "requests" | "answered"> = { requests: 0, answered: () => {} };

export class Link {
  readonly all = new Tally();
  readonly operations = new Map<string, Tally>();
  /** Answers by their code, where the protocol has such. */
  readonly codes = new Map<string, number>();
  bytesSent = 0;
  bytesReceived = 0;
  piecesSent = 0;
  piecesReceived = 0;
  /** Connections that live. */
  connections = 0;
  /** Something came since the last reading. */
  active = true;
  idleReadings = 0;
  readonly #traffic: Traffic;

  constructor(
    readonly tgid: number,
    /** In the order of the tables' keys. */
    readonly labels: readonly string[],
    readonly key: LinkKey,
    traffic: Traffic,
  ) {
    this.#traffic = traffic;
  }

  asked(operation: string): void {
    this.all.requests++;
    (this.operation(operation) ?? NOWHERE).requests++;
  }

  answered(operation: string, latency: number, fault: Fault, code: string): void {
    this.all.answered(latency, fault);
    (this.operation(operation) ?? NOWHERE).answered(latency, fault);
    if (!this.key.hasCodes || code === "") return;
    const count = this.codes.get(code);
    if (count !== undefined || this.#traffic.mayAddOperation()) {
      this.codes.set(code, (count ?? 0) + 1);
    }
  }

  count(sent: boolean, length: number): void {
    this.active = true;
    if (sent) {
      this.bytesSent += length;
      this.piecesSent++;
    } else {
      this.bytesReceived += length;
      this.piecesReceived++;
    }
  }

  /** Undefined: there is no room. */
  operation(name: string): Tally | undefined {
    const known = this.operations.get(name);
    if (known !== undefined) return known;
    if (!this.#traffic.mayAddOperation()) return undefined;
    const added = new Tally();
    this.operations.set(name, added);
    return added;
  }
}

export interface LinkKey {
  readonly tgid: number;
  readonly comm: string;
  readonly transport: Transport;
  readonly hasCodes?: boolean | undefined;
  readonly clientIp: string;
  readonly serverIp: string;
  readonly serverPort: number;
  readonly role: L7Role;
  readonly protocol: string;
  readonly isTls: boolean;
}

export class Traffic {
  /** Links and operations that there was no room for. */
  refused = 0;
  readonly links = new Map<string, Link>();
  readonly #maxLinks: number;
  #operations = 0;

  constructor(maxLinks: number) {
    this.#maxLinks = maxLinks;
  }

  link(of: LinkKey): Link | undefined {
    const { tgid, clientIp, serverIp, serverPort, transport, role, protocol } = of;
    const labels = [
      ...[String(tgid), clientIp, serverIp, String(serverPort)],
      ...[`${transport}_${role}`, role, protocol],
    ];
    const key = [...labels, of.isTls].join(" ");
    const known = this.links.get(key);
    if (known !== undefined) return known;
    if (this.links.size >= this.#maxLinks) {
      this.refused++;
      return undefined;
    }
    const link = new Link(tgid, labels, of, this);
    this.links.set(key, link);
    return link;
  }

  mayAddOperation(): boolean {
    if (this.#operations < 4 * this.#maxLinks) {
      this.#operations++;
      return true;
    }
    this.refused++;
    return false;
  }

  /** Forgets links without connections that were silent for long; called once a reading. */
  age(): void {
    for (const [key, link] of this.links) {
      link.idleReadings = link.active || link.connections > 0 ? 0 : link.idleReadings + 1;
      link.active = false;
      if (link.idleReadings < MAX_IDLE_READINGS) continue;
      this.#operations -= link.operations.size + link.codes.size;
      this.links.delete(key);
    }
  }
}
