// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Memory and swap of the host, from /proc/meminfo, and the dentry cache, from /proc/sys/fs/dentry-state.
 *
 * Kernels differ in which lines /proc/meminfo has: the metric of a missing line is left out.
 */
import { gauge, nativeProbe, raises, table } from "../core/declare.ts";
import { COLON, Scanner, WordList } from "../core/scan.ts";

/** Metrics that are one line of /proc/meminfo, in its order. */
const LINES = {
  total_kB: "MemTotal",
  free_kB: "MemFree",
  available_kB: "MemAvailable",
  buffers_kB: "Buffers",
  cache_kB: "Cached",
  active_kB: "Active",
  inactive_kB: "Inactive",
  active_anon_kB: "Active(anon)",
  inactive_anon_kB: "Inactive(anon)",
  active_file_kB: "Active(file)",
  inactive_file_kB: "Inactive(file)",
  mlocked: "Mlocked",
  swap_total_kB: "SwapTotal",
  swap_free_kB: "SwapFree",
  shmem_kB: "Shmem",
  slab_kB: "Slab",
  SReclaimable_kB: "SReclaimable",
  Unreclaim_kB: "SUnreclaim",
  stack_kB: "KernelStack",
  page_kB: "PageTables",
  vmalloc_kB: "VmallocUsed",
} as const;

const METRICS = Object.keys(LINES) as (keyof typeof LINES)[];
const NAMES = [...Object.values(LINES), "HugePages_Total", "Hugepagesize"] as const;
const NAME_LIST = new WordList(NAMES);
const at = (name: typeof NAMES[number]) => NAMES.indexOf(name);
const TOTAL = at("MemTotal");
const FREE = at("MemFree");
const BUFFERS = at("Buffers");
const CACHED = at("Cached");
const SWAP_TOTAL = at("SwapTotal");
const SWAP_FREE = at("SwapFree");
const VMALLOC = at("VmallocUsed");
const HUGE_PAGES = at("HugePages_Total");
const HUGE_PAGE_KB = at("Hugepagesize");

export default nativeProbe({
  name: "system_meminfo",
  help: "Memory, swap and the dentry cache, from /proc/meminfo and /proc/sys/fs/dentry-state.",
  partOf: ["baseinfo"],
  tables: {
    system_meminfo: table({
      entity: "mem",
      keys: ["infos"],
      metrics: {
        total_kB: gauge("Usable memory.", "kB"),
        free_kB: gauge("Memory that nothing uses.", "kB"),
        available_kB: gauge("Memory that programs can have without swapping.", "kB"),
        util: raises(
          gauge("Memory neither free nor buffers nor page cache.", "percent"),
          { above: "res_upper_thr", below: "res_lower_thr", says: "Memory utilisation" },
        ),
        buffers_kB: gauge("Buffers of block devices.", "kB"),
        cache_kB: gauge("Page cache, with shared memory.", "kB"),
        active_kB: gauge("Recently used memory.", "kB"),
        inactive_kB: gauge("Memory that is reclaimed first.", "kB"),
        swap_total_kB: gauge("Swap space.", "kB"),
        swap_free_kB: gauge("Swap space that nothing uses.", "kB"),
        swap_util: raises(
          gauge("Swap space in use; 0 without swap.", "percent"),
          { above: "res_upper_thr", says: "Swap utilisation" },
        ),
        slab_kB: gauge("Kernel objects.", "kB"),
        SReclaimable_kB: gauge("Kernel objects that can be reclaimed.", "kB"),
        Unreclaim_kB: gauge("Kernel objects that can not be reclaimed.", "kB"),
        page_kB: gauge("Page tables.", "kB"),
        vmalloc_kB: gauge(
          "Memory mapped into the kernel's vmalloc area; kernels 4.4 to 5.2 do not tell.",
          "kB",
        ),
        stack_kB: gauge("Kernel stacks.", "kB"),
        active_anon_kB: gauge("Recently used memory without a file.", "kB"),
        inactive_anon_kB: gauge("Memory without a file that is swapped out first.", "kB"),
        active_file_kB: gauge("Recently used page cache.", "kB"),
        inactive_file_kB: gauge("Page cache that is reclaimed first.", "kB"),
        mlocked: gauge("Memory locked by mlock.", "kB"),
        big_page_kB: gauge("Huge pages of the default size in the pool.", "kB"),
        shmem_kB: gauge("Shared memory and tmpfs.", "kB"),
      },
    }),
    system_dentry: table({
      entity: "mem",
      keys: ["infos"],
      metrics: {
        dentry: gauge("Cached directory entries.", "count"),
        unused_dentry: gauge("Cached directory entries that nothing uses.", "count"),
        age_limit: gauge("Age from which entries are reclaimed when memory is short.", "seconds"),
      },
    }),
  },
  open(files) {
    files.read("proc/meminfo");
    const scan = new Scanner();
    const values = new Float64Array(NAMES.length);
    return ({ system_meminfo, system_dentry }) => {
      scanMeminfo(scan.over(files.read("proc/meminfo")), values);
      const row = system_meminfo.row("/proc/meminfo");
      for (let i = 0; i < METRICS.length; i++) row.set(METRICS[i]!, values[i]!);
      const notUsed = values[FREE]! + values[BUFFERS]! + values[CACHED]!;
      row.set("util", share(values[TOTAL]! - notUsed, values[TOTAL]!))
        .set("swap_util", share(values[SWAP_TOTAL]! - values[SWAP_FREE]!, values[SWAP_TOTAL]!))
        .set("big_page_kB", values[HUGE_PAGES]! * values[HUGE_PAGE_KB]!);

      const state = files.readOptional("proc/sys/fs/dentry-state");
      if (state === undefined) return;
      const dentries = scan.over(state).number();
      if (Number.isNaN(dentries)) return;
      system_dentry.row("fs.dentry-state")
        .set("dentry", dentries)
        .set("unused_dentry", scan.number())
        .set("age_limit", scan.number());
    };
  },
});

function scanMeminfo(scan: Scanner, values: Float64Array): void {
  values.fill(NaN);
  for (; !scan.ended; scan.nextLine()) {
    const name = scan.field(COLON) ? NAME_LIST.indexOf(scan) : -1;
    if (name >= 0) values[name] = scan.number();
  }
  // Kernels 4.4 to 5.2 print a constant 0.
  if (values[VMALLOC] === 0) values[VMALLOC] = NaN;
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.max(0, part / whole * 100);
}
