// SPDX-License-Identifier: MulanPSL-2.0
/** TCP connections per link: process, role, client, server. Kernel side: bpf/tcp.bpf.c. */
import { address, id } from "../core/labels.ts";
import { bpfProbe, mapTable, ofField } from "../core/probe.ts";
import { tcp } from "../gen/layouts.ts";

const LINK = {
  map: "tcp_link",
  entity: "tcp_link",
  keys: {
    tgid: id("tgid"),
    role: id("role"),
    client_ip: address("client_ip", "family"),
    server_ip: address("server_ip", "family"),
    client_port: id("client_port"),
    server_port: id("server_port"),
    protocol: id("family"),
  },
} as const;

export default bpfProbe({
  name: "tcp",
  help: "TCP connections of this host by process and peer, from iter/tcp and inet_sock_set_state.",
  layout: tcp,
  // The original's -c and report_cport.
  constants: (settings) => ({ keep_client_port: Number(settings.flag("report_cport", false)) }),
  iterators: ["tcp_owners", "tcp_living"],
  alive: "reading",
  tables: {
    tcp_tx_rx: mapTable(tcp, {
      ...LINK,
      metrics: {
        rx_bytes: ofField("counter", "rx_bytes", "Payload received in order.", "bytes"),
        tx_bytes: ofField("counter", "tx_bytes", "Payload sent, each byte once.", "bytes"),
        segs_in: ofField("counter", "segs_in", "Segments received.", "segments"),
        segs_out: ofField("counter", "segs_out", "Segments sent.", "segments"),
      },
    }),
    tcp_rtt: mapTable(tcp, {
      ...LINK,
      metrics: {
        srtt: ofField("gauge", "srtt_us", "Smoothed round trip of the slowest connection.", "us"),
        rcv_rtt: ofField(
          "gauge",
          "rcv_rtt_us",
          "Round trip as the receiver estimates it, of the slowest connection.",
          "us",
        ),
      },
    }),
  },
});
