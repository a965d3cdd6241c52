// SPDX-License-Identifier: MulanPSL-2.0
/**
 * A thread that sends a request on, or opens a connection for it, where it reads it, and an answer where it reads that:
 * nginx. What a timer starts (a request that had to wait) follows nothing that is seen; its answer tells whose it was.
 */
import type { ForwardThread } from "./forward_thread.ts";
import { type Hop, type Incoming, isUnderway, Outgoing } from "./hop.ts";

export class InlineThread implements ForwardThread {
  fresh: Hop | undefined;
  /** That it works for. */
  #client: Hop | undefined;
  /** Of which an answer was read last. */
  #replying: Outgoing | undefined;

  read(): void {}

  send(hop: Hop): void {
    const outgoing = new Outgoing(hop);
    hop.outgoing = outgoing;
    const incoming = this.#client?.incoming[0];
    // Two at once would be two clients', or one that nobody has asked for.
    if (incoming === undefined || incoming.outgoing.some(isUnderway)) return;
    incoming.outgoing.push(outgoing);
    outgoing.incoming = incoming;
  }

  receives(hop: Hop): void {
    this.#replying = hop.isUpstream ? hop.outgoing : undefined;
    this.#client = hop.isUpstream ? hop.outgoing?.incoming?.hop : hop;
  }

  writes(): void {}

  hears(): void {}

  leaves(outgoing: Outgoing): void {
    if (outgoing.hop.isForwarded) return;
    this.#client = outgoing.incoming?.hop;
  }

  settle(incoming: Incoming, code: string | undefined): readonly Outgoing[] {
    if (code !== undefined) this.#takeReply(incoming, code);
    const last = incoming.outgoing.at(-1);
    // Answered before its server was: then the server's answer is another client's.
    const isOther = code !== undefined && last !== undefined && isUnderway(last);
    if (!isOther && !incoming.isDoubtful) return incoming.outgoing;
    this.giveUp(incoming);
    return [];
  }

  giveUp(incoming: Incoming): void {
    incoming.isDoubtful = true;
    for (const outgoing of incoming.outgoing.splice(0)) outgoing.incoming = undefined;
  }

  miss(): void {
    this.#client = this.#replying = undefined;
  }

  drop(item: Incoming | Outgoing): void {
    if ("outgoing" in item) this.giveUp(item);
    else unlink(item);
  }

  age(): void {}

  /** The answer that was read last is written now: to this client, whoever was thought to be asked for. */
  #takeReply(incoming: Incoming, code: string): void {
    const reply = this.#replying;
    const last = incoming.outgoing.at(-1);
    if (reply === undefined || !reply.answered || reply.isSettled) return;
    if (reply.incoming === incoming || last?.answered === true) return;
    if (reply.mark === incoming.mark && reply.code === code) {
      unlink(reply);
      if (last !== undefined && isUnderway(last)) unlink(last);
      incoming.outgoing.push(reply);
      reply.incoming = incoming;
    } else if (reply.incoming !== undefined) this.giveUp(reply.incoming);
  }
}

function unlink(outgoing: Outgoing): void {
  const others = outgoing.incoming?.outgoing ?? [];
  const at = others.indexOf(outgoing);
  if (at >= 0) others.splice(at, 1);
  outgoing.incoming = undefined;
}
