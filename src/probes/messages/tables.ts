// SPDX-License-Identifier: MulanPSL-2.0
/** The tables of messages, named as the original's l7, ksliprobe, redissli and opengauss_sli have them. */
import { counter, gauge, raises, table } from "../../core/declare.ts";
import { LATENCY_BOUNDS } from "../../core/messages/traffic.ts";
import type { HistogramSpec } from "../../core/table.ts";

const LINK = ["tgid", "client_ip", "server_ip", "server_port", "l4_role", "l7_role", "protocol"];
const LABELS = ["ssl", "container_id"];

const latency: HistogramSpec = {
  type: "histogram",
  bounds: LATENCY_BOUNDS,
  help: "Time from the arrival of a request to the sending of its answer.",
  unit: "ns",
};

const REQUESTS = {
  throughput_req: gauge("Requests a second in the last period.", "requests/s"),
  throughput_resp: gauge("Answers a second in the last period.", "requests/s"),
  req_count: counter("Requests.", "count"),
  resp_count: counter("Answers that were paired with their requests.", "count"),
  latency_avg: gauge("Mean latency of the last period.", "ns"),
  latency,
  err_ratio: gauge("Answers of the last period that tell an error.", "ratio"),
  err_count: counter("Answers that tell an error.", "count"),
} as const;

const forwarded = counter("Requests, or whole connections, that were sent there.", "count");

const SLI = {
  version: "1.0.0",
  entity: "sli",
  keys: ["tgid", "conn_fd"],
  metrics: {
    rtt_nsec: raises(gauge("Latency of the last request of the period.", "ns"), {
      above: "latency_thr",
      says: "Latency of the last request",
    }),
    max_rtt_nsec: gauge("Longest latency of the period.", "ns"),
  },
} as const;
const PEERS = ["protocol", "server_ip", "server_port", "client_ip", "client_port"];

/** Version 2's, off by themselves: a row for each connection and kind of request. Its redis_sli has other keys than ours. */
const SLI_2 = {
  entity: "sli",
  keys: ["tgid", "ins_id", "app", "method"],
  labels: ["server_ip", "server_port", "client_ip", "client_port", "container_id"],
} as const;
const LAST = { rtt_nsec: SLI.metrics.rtt_nsec } as const;
const LONGEST = { max_rtt_nsec: SLI.metrics.max_rtt_nsec } as const;

export const TABLES = {
  l7_link: table({
    entity: "l7",
    keys: LINK,
    labels: LABELS,
    metrics: {
      bytes_sent: counter("Bytes that were sent on connections of the protocol.", "bytes"),
      bytes_recv: counter("Bytes that were received.", "bytes"),
      segs_sent: counter("Pieces that were sent: calls of the sender.", "segments"),
      segs_recv: counter("Pieces that were received.", "segments"),
    },
  }),
  l7_rpc: table({ entity: "l7", keys: LINK, labels: LABELS, metrics: REQUESTS }),
  l7_rpc_api: table({
    entity: "l7_api",
    keys: [...LINK, "api"],
    labels: LABELS,
    metrics: {
      ...REQUESTS,
      client_err_ratio: gauge("Answers of the last period that blame the client.", "ratio"),
      server_err_ratio: gauge("Answers of the last period that blame the server.", "ratio"),
      client_err_count: counter("Answers that blame the client.", "count"),
      server_err_count: counter("Answers that blame the server.", "count"),
    },
  }),
  redis_sli: table({ ...SLI, labels: [...PEERS, "command", "max_command", "container_id"] }),
  opengauss_sli: table({
    ...SLI,
    labels: [...PEERS, "req_cmd", "rsp_cmd", "max_req_cmd", "max_rsp_cmd", "container_id"],
  }),
  redissli: {
    ...table({
      entity: "redissli",
      keys: ["tgid", "conn_fd"],
      labels: ["exec_file", "version", "cmd_name", "container_id"],
      metrics: { cmd_delay_ns: gauge("Latency of the last command of the period.", "ns") },
    }),
    on: false,
  },
  redis_max_sli: { ...table({ ...SLI_2, metrics: LONGEST }), mark: "REDIS", on: false },
  pg_sli: { ...table({ ...SLI_2, metrics: LAST }), mark: "POSTGRE", on: false },
  pg_max_sli: { ...table({ ...SLI_2, metrics: LONGEST }), mark: "POSTGRE", on: false },
  kafkaprobe: {
    ...table({
      entity: "kafka",
      keys: ["msg_type", "client_ip", "client_port", "topic", "server_ip", "server_port"],
      metrics: { num: counter("Messages that were produced or fetched.", "count") },
    }),
    on: false,
  },
  dnsmasq_link: table({
    entity: "dnsmasq_link",
    keys: ["client_ip", "virtual_ip", "family", "pid", "process_comm"],
    labels: ["container_id"],
    metrics: { link_count: counter("Queries of the client that dnsmasq answered.", "count") },
  }),
  l7_code: table({
    entity: "l7_code",
    keys: [...LINK, "code"],
    labels: ["container_id"],
    metrics: {
      answer_count: counter("Answers with this code: status of HTTP, code of DNS.", "count"),
    },
  }),
  nginx_link: table({
    entity: "nginx_link",
    keys: [
      ...["client_ip", "virtual_ip", "server_ip", "client_port", "virtual_port"],
      ...["server_port", "is_l7"],
    ],
    metrics: { link_count: forwarded },
  }),
  haproxy_link: table({
    entity: "haproxy_link",
    keys: ["client_ip", "virtual_ip", "server_ip", "virtual_port", "server_port", "protocol"],
    metrics: { link_count: forwarded },
  }),
  proxy_link: table({
    entity: "proxy_link",
    keys: ["comm", "client_ip", "virtual_ip", "server_ip", "virtual_port", "server_port", "is_l7"],
    metrics: { link_count: forwarded },
  }),
};
