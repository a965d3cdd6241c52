// SPDX-License-Identifier: MulanPSL-2.0
/** Processes killed for want of memory. Kernel side: bpf/oom.bpf.c. */
import { id, ofValue, text } from "../core/labels.ts";
import { bpfProbe, filledBy, mapTable, ofField } from "../core/declare.ts";
import { oom } from "../gen/layouts.ts";

/** Of x86-64; on kernels with larger pages sizes are smaller than told. */
const PAGE_BYTES = 4096;

const size = (field: "anon_pages" | "file_pages" | "shmem_pages" | "vm_pages", help: string) =>
  filledBy("oom_victim", ofField("counter", field, help, "bytes", PAGE_BYTES));

export default bpfProbe({
  name: "oom",
  help: "Processes killed for want of memory and their cgroups, from mark_victim.",
  partOf: ["cgprobe"],
  layout: oom,
  optional: ["oom_victim", "oom_cgroup_gone"],
  alive: "last_ns",
  lacking: {
    "cgprobe.pages": "the largest charge of a cgroup needs a kprobe on try_charge",
  },
  tables: {
    oom_kill: mapTable(oom, {
      map: "victims",
      entity: "oom_kill",
      keys: { tgid: id("tgid"), cgroup_id: id("cgroup") },
      labels: { comm: ofValue(text("comm")), cgroup: ofValue(text("cgroup_name")) },
      metrics: {
        kills: ofField("counter", "kills", "Times it was chosen to be killed.", "count"),
        anon_bytes: size("anon_pages", "Its anonymous memory when it was killed."),
        file_bytes: size("file_pages", "Its resident pages of files when it was killed."),
        shmem_bytes: size("shmem_pages", "Its resident shared memory when it was killed."),
        vm_bytes: size("vm_pages", "Its address space when it was killed."),
      },
    }),
    cgprobe: mapTable(oom, {
      map: "cgroups",
      entity: "cgroup",
      keys: { cgroup_id: id("cgroup") },
      labels: { cgroup: ofValue(text("name")) },
      metrics: {
        ooms: filledBy(
          "oom_victim",
          ofField("counter", "ooms", "Processes killed for want of memory.", "count"),
        ),
      },
    }),
  },
});
