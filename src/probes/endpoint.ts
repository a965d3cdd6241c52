// SPDX-License-Identifier: MulanPSL-2.0
/** Who listens, who connects, and with what success; UDP sockets. Kernel side: bpf/endpoint.bpf.c. */
import type { EventRule } from "../core/event.ts";
import { address, constant, id, text, unknown, word } from "../core/labels.ts";
import { bpfProbe, filledBy, mapTable, ofBuckets, ofField, raises } from "../core/declare.ts";
import { NAMESPACE_CAPABILITIES } from "../core/probe.ts";
import { endpoint } from "../gen/layouts.ts";

const NO_PORT = "0";
const any = (says: string): EventRule => ({ above: 0, says });
/** What listeners find remarkable, in either table. */
const REMARKABLE = {
  listendrop: any("Connections dropped by a listener"),
  accept_overflow: any("Connections that found the accept queue full"),
  syn_overflow: any("Connections that found the SYN queue full"),
  retran_synacks: any("SYN-ACKs sent again"),
};
/**
 * They run for each call that sends or receives: of UDP, where the kernel takes fexit; else whatever the protocol, the
 * last of each choice before 6.3.
 */
const CALLS = [
  ["endpoint_sent_udp", "endpoint_sent", "endpoint_sent_inet"],
  ["endpoint_sent_udp6", "endpoint_sent", "endpoint_sent_inet6"],
  ["endpoint_received_udp", "endpoint_received", "endpoint_received_inet"],
  ["endpoint_received_udp6", "endpoint_received", "endpoint_received_inet6"],
] as const;
/** Of endpoint_tcp: each choice fills a column, which is left out where the kernel takes none of it. */
const SYNACK = ["endpoint_synack", "endpoint_synack_kprobe"] as const;
const REQUEST_END = ["endpoint_request_end", "endpoint_request_end_kprobe"] as const;
const REQUEST_END6 = ["endpoint_request_end6", "endpoint_request_end6_kprobe"] as const;
const REQUESTS = [...SYNACK, ...REQUEST_END, ...REQUEST_END6] as const;
const SYN_DROP = "endpoint_syn_drop";
const PER_CALL = [...new Set(CALLS.flat())];

/** The kernel's number, as ss shows it. */
const DROPS = "Connections dropped, and SYNs sent again in a handshake.";

const LISTENER = { tgid: id("tgid"), s_port: id("port") } as const;

const ADDRESS = { tgid: id("tgid"), s_addr: address("local_ip", "family") } as const;

const udpTable = (name: "bind" | "udp", kind: number, drops: string, error: string) =>
  mapTable(endpoint, {
    map: "udp_addresses",
    entity: "endpoint",
    on: false,
    programs: PER_CALL,
    only: { field: "kind", value: kind },
    keys: { ...ADDRESS, s_port: constant(NO_PORT), ep_type: constant(name) },
    metrics: {
      [drops]: raises(
        ofField("counter", "drops", "Datagrams dropped on receipt.", "datagrams"),
        any("Datagrams dropped on receipt"),
      ),
      [`${name}_sends`]: ofField("counter", "sent_bytes", "Payload sent.", "bytes"),
      [`${name}_rcvs`]: ofField("counter", "received_bytes", "Payload received.", "bytes"),
      [error]: ofField("gauge", "error", "Why a datagram was dropped last.", "errno"),
    },
  });

export default bpfProbe({
  name: "endpoint",
  help: "Listening, connecting and UDP sockets of this host, from iter/tcp, iter/udp and " +
    "inet_sock_set_state.",
  partOf: ["socket"],
  capabilities: NAMESPACE_CAPABILITIES,
  layout: endpoint,
  choices: [...CALLS, SYNACK, REQUEST_END, REQUEST_END6],
  constants: (_, tables) => ({
    want_peers: Number(tables.has("endpoint_tcp")),
    want_udp_peers: Number(tables.has("endpoint_udp")),
  }),
  iterators: [
    { program: "endpoint_owners", wishes: "owner_wishes", every: 60 },
    { program: "endpoint_listeners", untilRecord: true },
    { program: "endpoint_udp_living" },
  ],
  namespaces: "net_namespaces",
  optional: [
    "endpoint_synack_again",
    "endpoint_syn_again",
    "endpoint_udp_error",
    "endpoint_udp_living",
    ...REQUESTS,
    SYN_DROP,
  ],
  ceilings: ["listeners", "connectors", "tcp_peers", "udp_addresses", "udp_ports", "udp_peers"],
  alive: "reading",
  tables: {
    listen: mapTable(endpoint, {
      map: "listeners",
      entity: "endpoint",
      keys: {
        tgid: LISTENER.tgid,
        s_addr: unknown(),
        s_port: LISTENER.s_port,
        ep_type: constant("listen"),
      },
      metrics: {
        listendrop: raises(
          ofField("counter", "listendrop", DROPS, "count"),
          REMARKABLE.listendrop,
        ),
        accept_overflow: raises(
          ofField(
            "counter",
            "accept_overflow",
            "Of those: in readings that found the accept queue full.",
            "count",
          ),
          REMARKABLE.accept_overflow,
        ),
        syn_overflow: raises(
          ofField(
            "counter",
            "syn_overflow",
            "Of those: in readings that found the SYN queue full.",
            "count",
          ),
          REMARKABLE.syn_overflow,
        ),
        passive_open: ofField("counter", "passive_open", "Connections accepted.", "count"),
        passive_open_failed: raises(
          ofField(
            "counter",
            "passive_open_failed",
            "Connections that ended during the handshake's last step.",
            "count",
          ),
          any("Connections that ended in the handshake"),
        ),
        retran_synacks: raises(
          ofField("counter", "retran_synacks", "SYN-ACKs sent again.", "count"),
          REMARKABLE.retran_synacks,
        ),
      },
    }),
    listen_queue: mapTable(endpoint, {
      map: "listeners",
      entity: "listen_queue",
      keys: LISTENER,
      metrics: {
        connections: ofField("gauge", "accept_queue", "Waiting to be accepted.", "connections"),
        limit: ofField("gauge", "accept_limit", "Most that may wait.", "connections"),
        requests: ofField("gauge", "syn_queue", "Handshakes under way.", "connections"),
      },
    }),
    connect: mapTable(endpoint, {
      map: "connectors",
      entity: "endpoint",
      keys: { ...ADDRESS, s_port: constant(NO_PORT), ep_type: constant("connect") },
      metrics: {
        active_open: ofField("counter", "active_open", "Connections begun (SYN sent).", "count"),
        active_open_failed: raises(
          ofField(
            "counter",
            "active_open_failed",
            "Of those: not set up (refused, timed out, given up).",
            "count",
          ),
          any("Connections that could not be set up"),
        ),
      },
    }),
    bind: udpTable("bind", 0, "bind_rcv_drops", "bind_err"),
    udp: udpTable("udp", 1, "udp_rcv_drops", "udp_err"),
    udp_receive: mapTable(endpoint, {
      map: "udp_ports",
      entity: "udp_receive",
      keys: {
        tgid: id("tgid"),
        local_ip: address("local_ip", "family"),
        local_port: id("port"),
      },
      metrics: {
        drops_total: ofField("counter", "drops", "Datagrams dropped on receipt.", "datagrams"),
        queue_bytes: ofField("gauge", "queue_bytes", "Memory of the receive queue.", "bytes"),
      },
    }),
    endpoint_tcp: mapTable(endpoint, {
      map: "tcp_peers",
      entity: "endpoint_tcp",
      on: false,
      programs: [...REQUESTS, SYN_DROP],
      keys: {
        tgid: id("tgid"),
        comm: text("comm"),
        role: word("role", ["server", "client"]),
        client_ip: address("client_ip", "family"),
        toa_client_ip: unknown(),
        server_ip: address("server_ip", "family"),
        server_port: id("server_port"),
        protocol: id("family"),
      },
      labels: { multi: constant("0") },
      metrics: {
        listendrop: raises(
          ofField("counter", "listendrop", DROPS, "count"),
          REMARKABLE.listendrop,
        ),
        accept_overflow: raises(
          ofField("counter", "accept_overflow", "Of those: queue full.", "count"),
          REMARKABLE.accept_overflow,
        ),
        syn_overflow: raises(
          ofField("counter", "syn_overflow", "Of those: SYN queue full.", "count"),
          REMARKABLE.syn_overflow,
        ),
        passive_open: ofField("counter", "passive_open", "Connections accepted.", "count"),
        passive_open_failed: ofField("counter", "passive_open_failed", "Ended early.", "count"),
        retran_synacks: raises(
          ofField("counter", "retran_synacks", "SYN-ACKs sent again.", "count"),
          REMARKABLE.retran_synacks,
        ),
        retran_syn: ofField("counter", "retran_syn", "SYNs sent again.", "count"),
        active_open: ofField("counter", "active_open", "Connections set up.", "count"),
        active_open_failed: ofField("counter", "active_open_failed", "Not set up.", "count"),
        syn_sent: ofField("counter", "syn_sent", "Connections begun.", "count"),
        synack_sent: filledBy(
          SYNACK,
          ofField("counter", "synack_sent", "SYN-ACKs sent, also again.", "count"),
        ),
        req_drops: raises(
          filledBy(
            REQUEST_END,
            ofField(
              "counter",
              "req_drops",
              "Handshakes that ended early, with a reset or none.",
              "count",
            ),
          ),
          { above: 0, says: "Handshakes that ended early" },
        ),
        syn_drop: filledBy(
          SYN_DROP,
          ofField("counter", "syn_drop", "SYNs that found no neighbour to go to.", "count"),
        ),
        estab_latency: ofBuckets(
          { field: "latency_slots", sum: "latency_ns" },
          [3e6, 1e7, 5e7, 1e8, 5e8, 1e9, 1e10],
          "Set-up: a client's from SYN on, a server's from SYN-ACK on.",
          "ns",
        ),
      },
    }),
    endpoint_udp: mapTable(endpoint, {
      map: "udp_peers",
      entity: "endpoint_udp",
      on: false,
      programs: PER_CALL,
      keys: {
        tgid: id("tgid"),
        local_ip: address("local_ip", "family"),
        local_port: id("local_port"),
        remote_ip: address("remote_ip", "family"),
        remote_port: id("remote_port"),
        protocol: id("family"),
      },
      metrics: {
        udp_rcv_drops: ofField("counter", "drops", "Datagrams dropped.", "datagrams"),
        bind_sends: ofField("counter", "sent_bytes", "Payload sent.", "bytes"),
        bind_rcvs: ofField("counter", "received_bytes", "Payload received.", "bytes"),
      },
    }),
  },
});
