// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import {
  address,
  constant,
  containerOf,
  containerOfCgroup,
  id,
  ipv6Text,
  KeyView,
  type LabelHost,
  nameOf,
  text,
  unknown,
  word,
} from "./labels.ts";
import type { Struct } from "./layout.ts";

const VIEW = new KeyView({
  size: 40,
  fields: {
    u8: { offset: 0, size: 1, kind: "unsigned" },
    s8: { offset: 0, size: 1, kind: "signed" },
    u16: { offset: 0, size: 2, kind: "unsigned" },
    s16: { offset: 0, size: 2, kind: "signed" },
    u32: { offset: 0, size: 4, kind: "unsigned" },
    s32: { offset: 0, size: 4, kind: "signed" },
    u64: { offset: 0, size: 8, kind: "unsigned" },
    s64: { offset: 0, size: 8, kind: "signed" },
    odd: { offset: 0, size: 3, kind: "unsigned" },
    family: { offset: 8, size: 2, kind: "unsigned" },
    ip: { offset: 16, size: 16, kind: "bytes" },
  },
});

const NONE: LabelHost = { enums: () => new Map(), idOf: () => undefined };

function ipv6(groups: string): Uint8Array {
  return Uint8Array.from(
    groups.split(" ").flatMap((group) => {
      const number = parseInt(group, 16);
      return [number >> 8, number & 255];
    }),
  );
}

Deno.test("id reads numbers of each size and sign", () => {
  const read = (field: string, ...bytes: number[]) => {
    const key = new Uint8Array(48);
    key.set(bytes, 5);
    return id(field).read(VIEW.at(key, 5), NONE);
  };
  const ones = [255, 255, 255, 255, 255, 255, 255, 255];
  assert.equal(read("u8", 254), "254");
  assert.equal(read("s8", 254), "-2");
  assert.equal(read("u16", 1, 2), "513");
  assert.equal(read("s16", ...ones), "-1");
  assert.equal(read("u32", ...ones), "4294967295");
  assert.equal(read("s32", ...ones), "-1");
  assert.equal(read("u64", 1, 0, 0, 0, 1), "4294967297");
  assert.equal(read("s64", 254, ...ones.slice(1)), "-2");
});

Deno.test("KeyView refuses fields that do not exist or are no numbers", () => {
  const key = VIEW.at(new Uint8Array(40), 0);
  assert.throws(() => key.number("nothing"), /Key has no field "nothing"/);
  assert.throws(() => key.number("odd"), /Field "odd" has 3 bytes/);
  assert.throws(() => key.number("ip"), /Field "ip" has 16 bytes/);
});

Deno.test("KeyView follows its caller through buffers, parts of buffers and offsets", () => {
  const buffer = Uint8Array.from({ length: 200 }, (_, i) => i);
  assert.equal(VIEW.at(buffer.subarray(0, 40), 0).number("u8"), 0);
  assert.equal(VIEW.at(buffer, 120).number("u8"), 120);
  assert.equal(VIEW.at(buffer.subarray(50), 3).number("u8"), 53);
  assert.equal(VIEW.at(buffer.slice(60), 3).number("u8"), 63);
  assert.deepEqual([...VIEW.at(buffer.subarray(50), 3).bytes("ip")].slice(0, 2), [69, 70]);
});

Deno.test("address writes IPv4 with family 2, else IPv6", () => {
  const label = address("ip", "family");
  const key = new Uint8Array(40);
  key.set([2, 0], 8);
  key.set([192, 0, 2, 255, 9, 9], 16);
  assert.equal(label.read(VIEW.at(key, 0), NONE), "192.0.2.255");
  key.set([10, 0], 8);
  key.set(ipv6("2001 db8 0 0 0 0 0 1"), 16);
  assert.equal(label.read(VIEW.at(key, 0), NONE), "2001:db8::1");
  assert.deepEqual(label.fields, ["ip", "family"]);
});

/** Groups to text, by RFC 5952 sections 4 and 5. */
const IPV6: Readonly<Record<string, string>> = {
  "0 0 0 0 0 0 0 0": "::",
  "0 0 0 0 0 0 0 1": "::1",
  "1 0 0 0 0 0 0 0": "1::",
  "2001 db8 0 0 1 0 0 1": "2001:db8::1:0:0:1",
  "2001 0 0 1 0 0 0 1": "2001:0:0:1::1",
  "2001 db8 0 1 1 1 1 1": "2001:db8:0:1:1:1:1:1",
  "2001 db8 1 1 1 1 0 0": "2001:db8:1:1:1:1::",
  "0 1 2 3 4 5 6 7": "0:1:2:3:4:5:6:7",
  "2001 db8 aaaa bbbb cccc dddd eeee aaaa": "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa",
  "fe80 0 0 0 a 0 0 1": "fe80::a:0:0:1",
  "0 0 0 0 0 ffff c000 201": "::ffff:192.0.2.1",
  "0 0 0 0 0 ffff 0 0": "::ffff:0.0.0.0",
  "1 0 0 0 0 ffff c000 201": "1::ffff:c000:201",
};

for (const [groups, text] of Object.entries(IPV6)) {
  Deno.test(`ipv6Text writes ${text}`, () => assert.equal(ipv6Text(ipv6(groups)), text));
}

Deno.test("address says other where there is no family", () => {
  assert.equal(address("ip", "family").read(VIEW.at(new Uint8Array(40), 0), NONE), "other");
});

Deno.test("word, text and unknown read what they say", () => {
  const key = new Uint8Array(40);
  key[0] = 1;
  key.set(new TextEncoder().encode("redis-server\0rest"), 16);
  const view = VIEW.at(key, 0);
  assert.equal(word("u8", ["server", "client"]).read(view, NONE), "client");
  assert.equal(word("u8", ["server"]).read(view, NONE), "1");
  assert.equal(text("ip").read(view, NONE), "redis-server");
  key.fill(97, 16, 32);
  assert.equal(text("ip").read(view, NONE), "a".repeat(16));
  assert.equal(constant("listen").read(view, NONE), "listen");
  assert.equal(unknown().read(view, NONE), "");
});

Deno.test("nameOf reads the kernel's name of a number, or else the number", () => {
  const reader = nameOf("u8", { type: "reason", prefix: "DROP_", none: 255 });
  const enums = (type: string) =>
    new Map(type === "reason" ? [[1, "DROP_NO_ROOM"], [2, "GONE"]] : []);
  const read = (value: number) => {
    const key = new Uint8Array(40);
    key[0] = value;
    return reader.read(VIEW.at(key, 0), { enums, idOf: () => undefined });
  };
  assert.deepEqual([1, 2, 3, 255].map(read), ["no_room", "gone", "3", ""]);
});

Deno.test("containerOfCgroup reads the container's id out of the name of its cgroup", () => {
  const id = "0123456789abcdef".repeat(4);
  const label = containerOfCgroup("name");
  const read = (name: string) => {
    const struct: Struct = {
      size: 128,
      fields: { name: { offset: 0, size: 128, kind: "bytes" } },
    };
    const key = new Uint8Array(128);
    new TextEncoder().encodeInto(name, key);
    return label.read(new KeyView(struct).at(key, 0), NONE);
  };
  for (const name of [id, `docker-${id}.scope`, `cri-containerd-${id}.scope`, `libpod-${id}`]) {
    assert.equal(read(name), "0123456789ab", name);
  }
  for (const name of ["", "/", "session-4.scope", id.slice(1), `libpod-conmon-${id}.scope`]) {
    assert.equal(read(name), "", name);
  }
});

Deno.test("containerOf asks for the container of the process, and keeps that of one that is gone", () => {
  const label = containerOf(id("u16"));
  const view = VIEW.at(Uint8Array.of(7, 0), 0);
  const containers: Record<number, string> = { 7: "abc" };
  const host: LabelHost = { ...NONE, idOf: (pid) => containers[pid] };
  assert.equal(label.changes, true);
  assert.equal(label.read(view, host), "abc");
  containers[7] = "";
  assert.equal(label.read(view, host, "abc"), "");
  delete containers[7];
  assert.equal(label.read(view, host, "abc"), "abc");
  assert.equal(label.read(view, host), "");
});
