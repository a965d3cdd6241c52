// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What the kernel's memory management did since boot: faults, swapping, reclaim, compaction, OOM kills; /proc/vmstat.
 *
 * Of the file's 100 to 190 lines, those that someone would alert on.
 */
import { named, type NamedMetric, NamedNumbers } from "../core/named_numbers.ts";
import { counter, gauge, nativeProbe, table } from "../core/declare.ts";
import { Scanner } from "../core/scan.ts";

const pages = (from: string, help: string): NamedMetric => named(from, counter(help, "pages"));
const times = (from: string, help: string): NamedMetric => named(from, counter(help, "count"));
const level = (from: string, help: string): NamedMetric => named(from, gauge(help, "pages"));

const tables = {
  system_vmstat: table({
    entity: "vmstat",
    keys: [],
    metrics: {
      dirty_pages: level("nr_dirty", "Changed pages that are not yet on their way to a disk."),
      writeback_pages: level("nr_writeback", "Pages on their way to a disk."),
      paged_in_bytes_total: named(
        "pgpgin",
        counter("Data read from block devices.", "bytes"),
        1024,
      ),
      paged_out_bytes_total: named(
        "pgpgout",
        counter("Data written to block devices.", "bytes"),
        1024,
      ),
      swapped_in_pages_total: pages("pswpin", "Pages read from swap."),
      swapped_out_pages_total: pages("pswpout", "Pages written to swap."),
      faults_total: times("pgfault", "Page faults, those that needed no I/O included."),
      major_faults_total: times("pgmajfault", "Page faults that waited for I/O."),
      oom_kills_total: times("oom_kill", "Processes killed for want of memory; since 4.13."),
      kswapd_scanned_pages_total: pages("pgscan_kswapd", "Pages looked at by kswapd to free some."),
      direct_scanned_pages_total: pages(
        "pgscan_direct",
        "Pages looked at by tasks that had to free some themselves.",
      ),
      kswapd_reclaimed_pages_total: pages("pgsteal_kswapd", "Pages freed by kswapd."),
      direct_reclaimed_pages_total: pages("pgsteal_direct", "Pages freed by tasks themselves."),
      direct_stalls_dma32_total: times(
        "allocstall_dma32",
        "Times a task had to free pages before it got one of zone DMA32.",
      ),
      direct_stalls_normal_total: times(
        "allocstall_normal",
        "Times a task had to free pages before it got one of zone Normal.",
      ),
      direct_stalls_movable_total: times(
        "allocstall_movable",
        "Times a task had to free pages before it got one of zone Movable.",
      ),
      compaction_stalls_total: times("compact_stall", "Times a task had to compact memory itself."),
      compaction_failures_total: times("compact_fail", "Compactions that brought nothing."),
      refaulted_anon_pages_total: pages(
        "workingset_refault_anon",
        "Pages without a file wanted again soon after they were swapped out; since 5.9.",
      ),
      refaulted_file_pages_total: pages(
        "workingset_refault_file",
        "Pages of files wanted again soon after they were dropped; since 5.9.",
      ),
      refaulted_pages_total: pages(
        "workingset_refault",
        "Pages wanted again soon after they were dropped; before 5.9.",
      ),
      numa_missed_pages_total: pages("numa_miss", "Pages taken from another node than wanted."),
      numa_migrated_pages_total: pages("numa_pages_migrated", "Pages moved between nodes."),
      huge_page_fallbacks_total: times(
        "thp_fault_fallback",
        "Page faults that got no transparent huge page where one was wanted.",
      ),
    },
  }),
};

export default nativeProbe({
  name: "system_vmstat",
  help: "Faults, swapping, reclaim, compaction and OOM kills since boot, from /proc/vmstat.",
  partOf: ["baseinfo"],
  tables,
  open(files) {
    files.read("proc/vmstat");
    const scan = new Scanner();
    const numbers = new NamedNumbers([tables.system_vmstat.metrics]);
    return ({ system_vmstat }) => {
      numbers.scanLines(scan.over(files.read("proc/vmstat")));
      if (numbers.known) numbers.show(system_vmstat.row());
    };
  },
});
