// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { BtfReader, type BtfType } from "./btf_layout.ts";
import { probeListText, readLayout } from "./gen.ts";
import { printLayouts } from "./print_layout.ts";
import type { ObjectLayout } from "../src/core/layout.ts";

const PROLOGUE = `
typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32;
typedef unsigned long long __u64; typedef int __s32; typedef long long __s64;
typedef __u16 __be16; typedef __u32 __be32; typedef __u32 __wsum;
enum { BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PERCPU_HASH = 5, BPF_MAP_TYPE_RINGBUF = 27 };
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
`;
const SOURCE = `${PROLOGUE}
struct peer { __u32 address; __u16 ports[2]; };
struct sample_key { __u32 pid; char comm[5]; __u16 family; struct peer peer; };
struct sample_val { __u64 bytes; __u8 flag; __s32 delta; __u64 slots[4]; };
struct sample_event { __u64 time_ns; __u8 state; };
struct other { __u64 unused; };
static const __u32 sizes[3] = { 5, 6, 8 };
const volatile __u8 wanted = 1;
const volatile __u64 limit_ns = 7;
const volatile char name[16] = "abc";
const struct sample_event *const volatile record_sample_event;
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH); __uint(max_entries, 100);
	__type(key, struct sample_key); __type(value, struct sample_val);
} samples SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1);
	__type(key, __u32); __type(value, __u64);
} first SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
static __noinline int scaled(int by) { return by * (int)limit_ns * wanted * name[1]; }
SEC("tp_btf/sched_switch") int sample_switch(void *ctx) { return scaled(sizes[bpf_get_smp_processor_id() % 3]); }
SEC("tp_btf/sched_switch") int sample_again(void *ctx) { return 0; }
SEC("?iter/tcp") int sample_sockets(void *ctx) { return scaled(3); }
`;
const EXPECTED: ObjectLayout = {
  object: "sample.bpf.o",
  maps: {
    first: {
      type: "array",
      maxEntries: 1,
      key: { size: 4, fields: { value: { offset: 0, size: 4, kind: "unsigned" } } },
      value: { size: 8, fields: { value: { offset: 0, size: 8, kind: "unsigned" } } },
    },
    ring: {
      type: "ringbuf",
      maxEntries: 4096,
      key: { size: 0, fields: {} },
      value: { size: 0, fields: {} },
    },
    samples: {
      type: "percpu_hash",
      maxEntries: 100,
      key: {
        size: 20,
        fields: {
          pid: { offset: 0, size: 4, kind: "unsigned" },
          comm: { offset: 4, size: 5, kind: "bytes" },
          family: { offset: 10, size: 2, kind: "unsigned" },
          "peer.address": { offset: 12, size: 4, kind: "unsigned" },
          "peer.ports": { offset: 16, size: 4, kind: "bytes" },
        },
      },
      value: {
        size: 48,
        fields: {
          bytes: { offset: 0, size: 8, kind: "unsigned" },
          flag: { offset: 8, size: 1, kind: "unsigned" },
          delta: { offset: 12, size: 4, kind: "signed" },
          slots: { offset: 16, size: 32, kind: "array", element: 8 },
        },
      },
    },
  },
  records: {
    sample_event: {
      size: 16,
      fields: {
        time_ns: { offset: 0, size: 8, kind: "unsigned" },
        state: { offset: 8, size: 1, kind: "unsigned" },
      },
    },
  },
  constants: {
    limit_ns: { offset: 8, size: 8, kind: "unsigned" },
    name: { offset: 16, size: 16, kind: "bytes" },
    wanted: { offset: 0, size: 1, kind: "unsigned" },
  },
  programs: {
    sample_again: "tp_btf/sched_switch",
    sample_sockets: "iter/tcp",
    sample_switch: "tp_btf/sched_switch",
  },
};

/** Runs use with a temporary folder that is gone afterwards. */
async function withFolder<T>(use: (folder: URL) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempDir();
  try {
    return await use(new URL(`file://${path}/`));
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

async function compiledLayout(source: string): Promise<ObjectLayout> {
  return await withFolder(async (folder) => {
    const name = "sample.bpf.o";
    const from = new URL("sample.bpf.c", folder).pathname;
    await Deno.writeTextFile(from, source);
    const clang = new Deno.Command(Deno.env.get("CLANG") ?? "clang-19", {
      args: ["-target", "bpf", "-g", "-O2", "-c", from, "-o", new URL(name, folder).pathname],
    });
    const { success, stderr } = await clang.output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return await readLayout(folder, name);
  });
}

Deno.test("gen lays out maps, records, constants and programs as clang did, padding included", async () => {
  const layout = await compiledLayout(SOURCE);
  assert.deepEqual(layout, EXPECTED);
  assert.deepEqual(Object.keys(layout.maps), ["first", "ring", "samples"]);
});

Deno.test("gen prints a module whose constant equals the layout", async () => {
  await withFolder(async (folder) => {
    const path = new URL("layouts.ts", folder);
    const core = new URL("../src/core/layout.ts", import.meta.url);
    await Deno.writeTextFile(
      path,
      printLayouts([EXPECTED]).replace("../core/layout.ts", core.href),
    );
    assert.deepEqual((await import(path.href)).sample, EXPECTED);
  });
});

for (
  const [member, refusal] of [
    ["void *owner", /"samples value\.owner" of sample\.bpf\.o: PTR/],
    ["unsigned low : 3", /"samples value\.low" of sample\.bpf\.o: a bit field/],
    ["union { int a; int b; }", /"samples value\.\(anon\)" of sample\.bpf\.o: an anonymous/],
    ["float share", /"samples value\.share" of sample\.bpf\.o: FLOAT/],
    ["void *owners[2]", /"samples value\.owners" of sample\.bpf\.o: an array of PTR/],
  ] as const
) {
  Deno.test(`gen refuses the member "${member}" and names it`, async () => {
    const source = `${PROLOGUE}
struct sample_val { ${member}; };
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1);
	__type(key, __u32); __type(value, struct sample_val);
} samples SEC(".maps");`;
    await assert.rejects(compiledLayout(source), refusal);
  });
}

Deno.test("gen refuses BTF that points to a missing type", () => {
  const types: BtfType[] = [
    { id: 1, kind: "DATASEC", name: ".maps", vars: [{ type_id: 9, offset: 0 }] },
  ];
  assert.throws(() => new BtfReader("x.bpf.o", types).layout([]), /BTF type 9 is missing/);
});

Deno.test("gen lists files with a default export, sorted, and neither tests nor shared files", async () => {
  await withFolder(async (folder) => {
    const files = { "tcp.ts": 1, "cpu.ts": 1, "cpu_test.ts": 1, "net_files.ts": 0, "notes.md": 1 };
    for (const [name, isProbe] of Object.entries(files)) {
      await Deno.writeTextFile(new URL(name, folder), isProbe ? "export default 1;\n" : "");
    }
    const text = await probeListText(folder);
    assert.deepEqual(text.match(/^import \w+ from.*$/gm), [
      'import cpu from "../probes/cpu.ts";',
      'import tcp from "../probes/tcp.ts";',
    ]);
    assert.match(text, /= \[\n {2}cpu,\n {2}tcp,\n\];\n\n.*\n.*leftOut.* = \[\];\n$/);
  });
});
