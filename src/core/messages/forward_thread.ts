// SPDX-License-Identifier: MulanPSL-2.0
/** What one thread of a proxy does with its clients' requests. */
import type { Hop, Incoming, Outgoing } from "./hop.ts";

export interface ForwardThread {
  /** It has just read the first piece of this connection. */
  fresh: Hop | undefined;
  /** A request of a client. */
  read(incoming: Incoming): void;
  /** It opens a connection to a server, or writes a request to one that it had: sets what is underway there. */
  send(hop: Hop): void;
  /** A piece comes, or is written. */
  receives(hop: Hop): void;
  writes(hop: Hop): void;
  /** A server's answer begins. */
  hears(outgoing: Outgoing): void;
  /** It has closed the connection; `established`: after it had come about. */
  leaves(outgoing: Outgoing, established: boolean): void;
  /** A client is answered, or has gone without (no code): what was sent on for it. */
  settle(incoming: Incoming, code: string | undefined): readonly Outgoing[];
  /** What was sent on for the request is not certain. */
  giveUp(incoming: Incoming): void;
  /** Something was not seen. */
  miss(): void;
  /** It is no request, but a part of a connection that is passed on as a whole. */
  drop(item: Incoming | Outgoing): void;
  /** Called once a reading. */
  age(): void;
}
