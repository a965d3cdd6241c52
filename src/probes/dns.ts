// SPDX-License-Identifier: MulanPSL-2.0
/** How long processes look names up. Kernel side: bpf/dns.bpf.c. */
import { id, ofValue, text } from "../core/labels.ts";
import { bpfProbe, mapTable, ofField, raises } from "../core/declare.ts";
import { ofDurations } from "../core/durations.ts";
import { dns } from "../gen/layouts.ts";

export default bpfProbe({
  name: "dns",
  help:
    "Name look-ups by glibc's getaddrinfo and gethostbyname; musl and static programs are unseen.",
  partOf: ["task", "proc"],
  on: false,
  capabilities: {
    CAP_SYS_PTRACE: "look-ups by C libraries that only other users' processes have loaded",
  },
  layout: dns,
  iterators: [{ program: "dns_reading" }],
  alive: "reading",
  userHooks: {
    library: "glibc",
    functions: [
      { symbol: "getaddrinfo", entry: "dns_begin", returns: "dns_end" },
      { symbol: "gethostbyname", entry: "dns_begin", returns: "dns_end_pointer" },
      { symbol: "gethostbyname2", entry: "dns_begin", returns: "dns_end_pointer" },
    ],
  },
  lacking: {
    "programs with another C library": "musl, Go and static programs pass no function of glibc",
  },
  tables: {
    proc_dns: mapTable(dns, {
      map: "proc_dns",
      entity: "proc",
      keys: { tgid: id("tgid") },
      labels: { comm: ofValue(text("comm")) },
      metrics: {
        gethostname_failed: raises(
          ofField("counter", "failed", "Look-ups that failed.", "count"),
          { above: 0, says: "Look-ups that failed" },
        ),
        ns_gethostname: ofField("gauge", "max_ns", "Longest that ended in the last period.", "ns"),
      },
    }),
    dns: mapTable(dns, {
      map: "domains",
      entity: "dns",
      keys: { tgid: id("tgid"), domain: text("domain") },
      metrics: {
        delay_avg: ofField("gauge", "average_ns", "Average time of all so far.", "us", 1e-3),
        max_delay: ofField("gauge", "max_ns", "Longest that ended in the last period.", "us", 1e-3),
        error_ratio: raises(
          ofField("gauge", "error_permille", "Share that failed.", "percent", 0.1),
          { above: 0, says: "Share of look-ups that failed" },
        ),
        count: ofField("counter", "count", "Look-ups.", "count"),
        error_count: ofField("counter", "errors", "Look-ups that failed.", "count"),
        seconds: ofDurations("slots", "ns", "Time of look-ups."),
      },
    }),
  },
});
