// SPDX-License-Identifier: MulanPSL-2.0
/** The part of the probe that understands messages; read only when the probe runs. */
import { Connections } from "../../core/messages/connections.ts";
import { Datagrams } from "../../core/messages/datagrams.ts";
import { Forwarding } from "../../core/messages/forwarding.ts";
import { ForwardCounts } from "../../core/messages/forward_counts.ts";
import type { Verdict } from "../../core/messages/peers.ts";
import { TopicCounts } from "../../core/messages/topic_counts.ts";
import { Traffic } from "../../core/messages/traffic.ts";
import type { RecordHost, RecordReading, Writers } from "../../core/probe.ts";
import { protocols } from "../../gen/protocols.ts";
import { recordTaker } from "./records.ts";
import { writeForwards, writeLink, writeSample, writeTopics } from "./rows.ts";
import type { TABLES } from "./tables.ts";

/** enum verdict of the kernel side. */
const VERDICTS = {
  wanted: Uint8Array.of(1),
  unwanted: Uint8Array.of(2),
  forgotten: Uint8Array.of(4),
} as const;
const FIRST_ENTRY = new Uint8Array(4);

/** Tells the kernel what is thought of a connection. */
function decider(host: RecordHost): (id: number, verdict: Verdict) => void {
  const idBytes = new Uint8Array(8);
  const idView = new DataView(idBytes.buffer);
  const changeBytes = new Uint8Array(8);
  const changeView = new DataView(changeBytes.buffer);
  let changes = 0n;
  return (id, verdict) => {
    idView.setBigUint64(0, BigInt(id), true);
    host.update("verdicts", idBytes, VERDICTS[verdict]);
    if (verdict === "wanted") return; // its pieces come anyway
    changeView.setBigUint64(0, ++changes, true);
    host.update("verdict_changes", FIRST_ENTRY, changeBytes);
  };
}

/** What makes rows of the kernel's records. */
export function openReading(host: RecordHost): RecordReading {
  const maxConnections = host.settings.number("connections");
  const traffic = new Traffic(maxConnections);
  const forwards = new ForwardCounts(maxConnections, host.settings.flag("report_cport"));
  const forwarding = new Forwarding(forwards);
  const topics = new TopicCounts(maxConnections);
  const decide = decider(host);
  const connections = new Connections({
    protocols,
    traffic,
    maxConnections,
    proxies: host.settings.flag("links"),
    tls: host.settings.flag("tls"),
    forwarding,
    topics,
    decide,
  });
  const datagrams = new Datagrams({ protocols, traffic, maxFlows: maxConnections, decide });
  return {
    take: recordTaker({ connections, datagrams }),
    read(tables, elapsed) {
      const own = tables as Writers<typeof TABLES>;
      for (const link of traffic.links.values()) {
        writeLink(own, link, host.containerOf(link.tgid), elapsed);
      }
      for (const connection of connections.answered()) {
        writeSample(own, connection, host.containerOf(connection.peers.tgid));
      }
      writeForwards(own, forwards.all());
      writeTopics(own, topics.all());
      connections.age();
      datagrams.age();
      traffic.age();
      forwarding.age();
      forwards.age();
      topics.age();
    },
    losses: () => ({
      ...connections.losses,
      ...datagrams.losses,
      unpaired_messages: connections.losses.unpaired_messages + datagrams.losses.unpaired_messages,
      unpaired_forwards: forwarding.unpaired,
      tables_full: traffic.refused + forwards.refused + topics.refused,
    }),
    facts: () => ({ connections: connections.size, datagram_sockets: datagrams.size }),
  };
}
