// SPDX-License-Identifier: MulanPSL-2.0
/** Writes what was counted of messages into the tables of the original. */
import type { RowWriter, Writers } from "../../core/probe.ts";
import type { Connection, Sample } from "../../core/messages/connection.ts";
import type { ForwardCount } from "../../core/messages/forward_counts.ts";
import type { TopicCount } from "../../core/messages/topic_counts.ts";
import type { Link, Tally } from "../../core/messages/traffic.ts";
import type { TABLES } from "./tables.ts";

/** PostgreSQL's types of messages, by which the original names them. */
const TYPES: Readonly<Record<string, string>> = {
  Query: "Q",
  Execute: "E",
  Prepare: "P",
  FunctionCall: "F",
};

type Tables = Writers<typeof TABLES>;

export function writeLink(tables: Tables, link: Link, container: string, elapsed: number): void {
  const ssl = link.key.isTls ? "ssl" : "no_ssl";
  const labels = [...link.labels, ssl, container];
  tables.l7_link.row(...labels)
    .set("bytes_sent", link.bytesSent)
    .set("bytes_recv", link.bytesReceived)
    .set("segs_sent", link.piecesSent)
    .set("segs_recv", link.piecesReceived);
  writeTally(tables.l7_rpc.row(...labels), link.all, elapsed);
  writeMore(tables, link, container);
  for (const [operation, tally] of link.operations) {
    const row = tables.l7_rpc_api.row(...link.labels, operation, ssl, container);
    const { clientErrors, serverErrors, responses } = writeTally(row, tally, elapsed);
    row.set("client_err_count", tally.clientErrors)
      .set("server_err_count", tally.serverErrors)
      .set("client_err_ratio", ratio(clientErrors, responses))
      .set("server_err_ratio", ratio(serverErrors, responses));
  }
}

/** dnsmasq's own clients. */
const DNSMASQ = "dnsmasq";
/** Numbers of the families of addresses. */
const [IPV4, IPV6] = ["2", "10"];

function writeMore(tables: Tables, { key, labels, codes, all }: Link, container: string): void {
  for (const [code, count] of codes) {
    tables.l7_code.row(...labels, code, container).set("answer_count", count);
  }
  if (key.protocol !== "dns" || key.role !== "server" || key.comm !== DNSMASQ) return;
  const family = key.clientIp.includes(":") ? IPV6! : IPV4!;
  const dnsmasq = [key.clientIp, key.serverIp, family, String(key.tgid), key.comm] as const;
  tables.dnsmasq_link.row(...dnsmasq, container).set("link_count", all.responses);
}

type RequestMetric = Parameters<Tables["l7_rpc"]["set"]>[0];

function writeTally(row: RowWriter<RequestMetric>, tally: Tally, elapsed: number) {
  const period = tally.period();
  const { requests, responses, clientErrors, serverErrors, latencySum } = period;
  row.set("req_count", tally.requests)
    .set("resp_count", tally.responses)
    .set("err_count", tally.errors)
    .set("throughput_req", requests / elapsed)
    .set("throughput_resp", responses / elapsed)
    .set("latency_avg", responses === 0 ? NaN : latencySum / responses)
    .set("err_ratio", ratio(clientErrors + serverErrors, responses))
    .histogram("latency", tally.slots, tally.latencySum);
  return period;
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

export function writeTopics({ kafkaprobe }: Tables, topics: Iterable<TopicCount>): void {
  for (const { side, topic, client, server, count } of topics) {
    kafkaprobe.row(side, client[0], String(client[1]), topic, server[0], String(server[1]))
      .set("num", count);
  }
}

/** The last and the slowest request of a connection that a server was asked on. */
export function writeSample(tables: Tables, connection: Connection, container: string): void {
  const { peers, protocol, isServer, last, slowest } = connection;
  if (!isServer) return;
  const { tgid, fd, localIp, localPort, remoteIp, remotePort } = peers;
  const keys = [String(tgid), Number.isNaN(fd) ? "" : String(fd)];
  const ends = [localIp, String(localPort), remoteIp, String(remotePort)];
  const row = (table: RowWriter, app: string, { operation }: Sample) =>
    table.row(...keys, app, operation, ...ends, container);
  if (protocol?.name === "redis") {
    tables.redis_sli.row(...keys, "REDIS", ...ends, last.operation, slowest.operation, container)
      .set("rtt_nsec", last.latency)
      .set("max_rtt_nsec", slowest.latency);
    tables.redissli.row(...keys, "", "", last.operation, container)
      .set("cmd_delay_ns", last.latency);
    row(tables.redis_max_sli, "REDIS", slowest).set("max_rtt_nsec", slowest.latency);
  } else if (protocol?.name === "pgsql") {
    const commands = [last, slowest]
      .flatMap(({ operation, code }) => [TYPES[operation] ?? operation, code]);
    tables.opengauss_sli.row(...keys, "POSTGRE", ...ends, ...commands, container)
      .set("rtt_nsec", last.latency)
      .set("max_rtt_nsec", slowest.latency);
    row(tables.pg_sli, "POSTGRE", last).set("rtt_nsec", last.latency);
    row(tables.pg_max_sli, "POSTGRE", slowest).set("max_rtt_nsec", slowest.latency);
  }
}

/** What proxies sent where. */
export function writeForwards(tables: Tables, forwards: Iterable<ForwardCount>): void {
  for (const { ends, count } of forwards) {
    const { program, clientIp, virtualIp, serverIp, isL7 } = ends;
    const between = [clientIp, virtualIp, serverIp];
    const ports = [String(ends.virtualPort), String(ends.serverPort), isL7 ? "1" : "0"];
    const row = program === "nginx"
      ? tables.nginx_link.row(...between, String(ends.clientPort), ...ports)
      : program === "haproxy"
      ? tables.haproxy_link.row(...between, ...ports)
      : tables.proxy_link.row(program, ...between, ...ports);
    row.set("link_count", count);
  }
}
