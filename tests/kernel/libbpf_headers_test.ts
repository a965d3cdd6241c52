// SPDX-License-Identifier: MulanPSL-2.0
/** Compiles the FFI table, the ABI numbers and the errno names against the installed C headers. */
import assert from "node:assert/strict";
import { ERRNO, LIBBPF_ERRNO } from "../../src/sys/errno.ts";
import { ABI } from "../../src/sys/kernel_abi.ts";
import { LIBBPF_SYMBOLS, LIBC_SYMBOLS } from "../../src/sys/libbpf.ts";

type Symbols = Readonly<Record<string, Deno.ForeignFunction & { readonly c: string }>>;

const HEADERS = `#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
`;

/** C conditions that hold for every type that may be passed as the FFI type. */
const CONDITIONS: Readonly<Record<string, (type: string) => string>> = {
  i32: (type) => integer(type, 4, true),
  u32: (type) => integer(type, 4, false),
  i64: (type) => integer(type, 8, true),
  u64: (type) => integer(type, 8, false),
  isize: (type) => integer(type, 8, true),
  usize: (type) => integer(type, 8, false),
  bool: (type) => `__builtin_types_compatible_p(${type}, _Bool)`,
  void: (type) => `__builtin_types_compatible_p(${type}, void)`,
  pointer: isPointer,
  buffer: isPointer,
};

function integer(type: string, size: number, signed: boolean): string {
  return `!(${isPointer(type)}) && !__builtin_types_compatible_p(${type}, _Bool) && ` +
    `sizeof(${type}) == ${size} && (${type})-1 ${signed ? "<" : ">"} 1`;
}

function isPointer(type: string): string {
  return `__builtin_classify_type(*(${type} *)0) == 5`;
}

function symbolAsserts(symbols: Symbols): string {
  return Object.entries(symbols).map(([name, { c, parameters, result }]) => {
    const [, resultType, list] = /^([^(]*)\((.*)\)$/.exec(c)!;
    const types = list === "void" ? [] : list!.split(",").map((type) => type.trim());
    const variadic = types.at(-1) === "...";
    if (variadic) types.pop();
    const counted = variadic
      ? parameters.length >= types.length
      : parameters.length === types.length;
    const lines = [
      `_Static_assert(__builtin_types_compatible_p(__typeof__(${name}), ${c}), "${name}: C type");`,
      `_Static_assert(${counted ? 1 : 0}, "${name}: number of parameters");`,
      ...[...types, resultType!.trim()].map((type, i) => {
        const ffi = String(i < types.length ? parameters[i] : result);
        const condition = CONDITIONS[ffi]?.(type) ?? "0";
        return `_Static_assert(${condition}, "${name}: ${type} as ${ffi}");`;
      }),
    ];
    for (const extra of parameters.slice(types.length)) {
      const passable = CONDITIONS[String(extra)] !== undefined;
      lines.push(`_Static_assert(${passable ? 1 : 0}, "${name}: variadic ${extra}");`);
    }
    return lines.join("\n");
  }).join("\n");
}

function valueAsserts(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .map(([c, value]) => `_Static_assert((${c}) == ${value}, "${c} is not ${value}");`)
    .join("\n");
}

/** The compiler's complaints; empty when all holds. */
async function complaints(asserts: string): Promise<string> {
  const child = new Deno.Command("clang-19", {
    args: ["-x", "c", "-fsyntax-only", "-w", "-ferror-limit=0", "-"],
    stdin: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`${HEADERS}\n${asserts}\n`));
  await writer.close();
  const { stderr } = await child.output();
  return new TextDecoder().decode(stderr);
}

Deno.test("The FFI table has the types of libbpf's and libc's headers", async () => {
  assert.equal(await complaints(symbolAsserts(LIBBPF_SYMBOLS)), "");
  assert.equal(await complaints(symbolAsserts(LIBC_SYMBOLS)), "");
});

Deno.test("ABI and errno values are those of the headers", async () => {
  const { ENOTSUPP: _kernelOnly, ...errno } = ERRNO;
  assert.equal(await complaints(valueAsserts({ ...ABI, ...errno, ...LIBBPF_ERRNO })), "");
});

Deno.test("The header check catches each kind of wrong type", async () => {
  const { bpf_map__fd, bpf_program__set_autoload, bpf_map_update_elem } = LIBBPF_SYMBOLS;
  const wrong: Record<string, [Symbols, RegExp]> = {
    "another C type": [
      { bpf_map__fd: { ...bpf_map__fd, c: "long (const struct bpf_map *)" } },
      /bpf_map__fd: C type/,
    ],
    "result unsigned": [{ bpf_map__fd: { ...bpf_map__fd, result: "u32" } }, /int as u32/],
    "result too wide": [{ bpf_map__fd: { ...bpf_map__fd, result: "isize" } }, /int as isize/],
    "integer for a pointer": [
      { bpf_map__fd: { ...bpf_map__fd, parameters: ["usize"] } },
      /bpf_map \* as usize/,
    ],
    "one parameter less": [
      { bpf_map__fd: { ...bpf_map__fd, parameters: [] } },
      /number of parameters/,
    ],
    "bool as number": [
      {
        bpf_program__set_autoload: { ...bpf_program__set_autoload, parameters: ["pointer", "i32"] },
      },
      /bool as i32/,
    ],
    "32 bits for 64": [
      {
        bpf_map_update_elem: {
          ...bpf_map_update_elem,
          parameters: ["i32", "buffer", "buffer", "u32"],
        },
      },
      /__u64 as u32/,
    ],
  };
  for (const [mistake, [symbols, expected]] of Object.entries(wrong)) {
    assert.match(await complaints(symbolAsserts(symbols)), expected, mistake);
  }
  assert.match(await complaints(valueAsserts({ EPERM: 2 })), /EPERM is not 2/);
});
