// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { installedLibrary, openLibbpf } from "./libbpf.ts";
import { cleanFileMappings, IdleMemory, stripes } from "./resident_memory.ts";

interface Made {
  rss?: number;
  anonymous?: number;
  dirty?: number;
}

function mapping(head: string, { rss = 4096, anonymous = 0, dirty = 0 }: Made = {}): string {
  return `${head}
Size:               8192 kB
KernelPageSize:        4 kB
Rss:                ${rss} kB
Pss:                ${rss} kB
Pss_Dirty:          ${dirty} kB
Private_Clean:      ${rss} kB
Private_Dirty:      ${dirty} kB
Anonymous:          ${anonymous} kB
AnonHugePages:         0 kB
VmFlags: rd ex mr mw me
`;
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);

const TEXT = "00400000-00c00000 r-xp 00001000 fe:00 1234                       /opt/gala-gopher";
const RODATA = "00c00000-01400000 r--p 00000000 fe:00 1234                       /opt/gala-gopher";
const HEAP = mapping("02000000-02800000 rw-p 00000000 00:00 0                          [heap]");

Deno.test("cleanFileMappings chooses large read-only mappings of files", () => {
  assert.deepEqual(cleanFileMappings(mapping(TEXT) + mapping(RODATA, { rss: 512 }) + HEAP), [
    { start: 0x400000n, bytes: 0x800000n, code: true },
    { start: 0xc00000n, bytes: 0x800000n, code: false },
  ]);
});

Deno.test("cleanFileMappings chooses pages of a file that is not yet on its disk", () => {
  assert.equal(cleanFileMappings(mapping(TEXT, { dirty: 4096 }) + HEAP).length, 1);
});

Deno.test("cleanFileMappings leaves what is mapped above the heap alone, since that may not stay", () => {
  assert.deepEqual(cleanFileMappings(HEAP + mapping(TEXT)), []);
  assert.deepEqual(cleanFileMappings(mapping(TEXT)), []);
});

Deno.test("cleanFileMappings leaves relocated, writable, anonymous and small mappings alone", () => {
  const others = [
    mapping(RODATA, { anonymous: 4 }), // relro: read-only by now, but with our own pages
    mapping(RODATA, { anonymous: 4096, dirty: 4096 }),
    mapping(TEXT.replace("r-xp", "rw-p")),
    mapping(TEXT.replace("r-xp", "-w-s")),
    mapping("7f1000000000-7f1000800000 r-xp 00000000 00:00 0"),
    mapping("7ffd00000000-7ffd00800000 r-xp 00000000 00:00 0                    [vdso]"),
    mapping(TEXT, { rss: 511 }),
  ];
  for (const text of others) assert.deepEqual(cleanFileMappings(text + HEAP), [], text);
  const among = others.join("") + mapping(TEXT) + others.join("");
  assert.equal(cleanFileMappings(among + HEAP).length, 1);
});

Deno.test("cleanFileMappings chooses nothing where it is not told what is in the pages", () => {
  assert.deepEqual(cleanFileMappings(""), []);
  assert.deepEqual(cleanFileMappings("garbage\n"), []);
  for (const told of ["Rss: 4096 kB\n", "Anonymous: 0 kB\nPrivate_Dirty: 0 kB\n"]) {
    assert.deepEqual(cleanFileMappings(`${TEXT}\n${told}${HEAP}`), []);
  }
});

Deno.test("stripes are every second four pages, the last one cut at the end", () => {
  assert.deepEqual([...stripes({ start: 0x401000n, bytes: 0xc000n })], [
    { start: 0x404000n, bytes: 0x4000n },
    { start: 0x40c000n, bytes: 0x1000n },
  ]);
  assert.deepEqual([...stripes({ start: 0x401000n, bytes: 0x3000n })], []);
});

Deno.test("IdleMemory cuts the code of the executable into mappings of four pages, once", () => {
  using libbpf = openLibbpf(installedLibrary);
  const code = () => {
    const maps = Deno.readTextFileSync("/proc/self/maps").split(" [heap]")[0]!;
    return [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) r-xp/gm)].map(([, start, end]) =>
      parseInt(end!, 16) - parseInt(start!, 16)
    );
  };
  const whole = code();
  const idle = new IdleMemory(libbpf);
  idle.giveBack(0);
  const cut = code();
  assert.ok(Math.max(...whole) > 1e6, String(whole));
  assert.equal(Math.max(...cut), 16_384);
  assert.equal(sum(cut), sum(whole));
  idle.giveBack(60_000);
  assert.deepEqual(code(), cut);
});

Deno.test("IdleMemory takes pages from the resident memory, and the process goes on", () => {
  using libbpf = openLibbpf(installedLibrary);
  const idle = new IdleMemory(libbpf);
  const fileBytes = () =>
    Number(/^RssFile:\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1]);
  const before = fileBytes();
  idle.giveBack(0);
  idle.giveBack(1);
  assert.ok(fileBytes() < before, `${fileBytes()} kB of ${before}`);
  assert.equal(JSON.parse('{"still":[1,2,3]}').still.length, 3);
});

Deno.test("IdleMemory collects garbage at first, soon again, and then every five minutes", () => {
  using libbpf = openLibbpf(installedLibrary);
  let collected = 0;
  const idle = new IdleMemory(libbpf, () => collected++);
  const at = (...times: number[]) => times.map((now) => (idle.giveBack(now), collected));
  assert.deepEqual(at(0, 5000, 44_999), [1, 1, 1]);
  assert.deepEqual(at(45_000, 50_000, 344_999), [2, 2, 2]);
  assert.deepEqual(at(345_000, 644_999, 645_000), [3, 3, 4]);
});

Deno.test("IdleMemory collects garbage at once when 16 MB more have come, and once for them", () => {
  using libbpf = openLibbpf(installedLibrary);
  let collected = 0;
  let bytes = 40e6;
  const idle = new IdleMemory(libbpf, () => collected++, () => bytes);
  idle.giveBack(0);
  bytes = 55e6;
  idle.giveBack(5000);
  assert.equal(collected, 1);
  bytes = 57e6;
  idle.giveBack(10_000);
  assert.equal(collected, 2);
  idle.giveBack(15_000);
  assert.equal(collected, 2);
});
