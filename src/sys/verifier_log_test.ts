// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { refusedSource, tellingLine } from "./verifier_log.ts";

Deno.test("tellingLine finds the reason between instructions, states and statistics", () => {
  const log = `0: R1=ctx() R10=fp0
; int BPF_PROG(unchecked_lookup, void *regs, long id) @ refused.bpf.c:40
0: (b7) r1 = 0                        ; R1_w=0
5: (85) call bpf_map_lookup_elem#1    ; R0_w=map_value_or_null(id=1,map=good,ks=4,vs=8)
; val->calls++; @ refused.bpf.c:45
6: (79) r1 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;
  assert.equal(tellingLine(log), "R0 invalid mem access 'map_value_or_null'");
  assert.equal(refusedSource(log), "refused.bpf.c:45: val->calls++;");
  const older = log.replaceAll(/ @ .*/g, "");
  assert.equal(refusedSource(older), "val->calls++;");
  assert.equal(refusedSource("; int BPF_PROG(p, void *regs) @ p.bpf.c:4\nR1 !read_ok"), undefined);
  assert.equal(refusedSource("R1 !read_ok"), undefined);
  assert.equal(refusedSource(""), undefined);
});

Deno.test("tellingLine puts a kernel field that does not exist first, without the type's flavor", () => {
  const log = `3: <invalid CO-RE relocation>
failed to resolve CO-RE relocation <byte_off> [29] struct task_struct___new.gone (0:0 @ offset 0)
processed 3 insns (limit 1000000)
`;
  assert.equal(tellingLine(log), "kernel lacks struct task_struct.gone");
});

Deno.test("tellingLine keeps the text of older and of one-line logs", () => {
  const cases: Record<string, string> = {
    "BPF program is too large. Processed 1000001 insn\nprocessed 1000001 insns (limit 1000000)":
      "BPF program is too large. Processed 1000001 insn",
    "0: (85) call bpf_loop#181\nunknown func bpf_loop#181\nverification time 34 usec\nstack depth 0":
      "unknown func bpf_loop#181",
    "processed 0 insns": "processed 0 insns",
    "back-edge from insn 7 to 3\n": "back-edge from insn 7 to 3",
  };
  for (const [log, line] of Object.entries(cases)) assert.equal(tellingLine(log), line);
});

Deno.test("tellingLine gives nothing for an empty log and bounds what it gives", () => {
  assert.equal(tellingLine(""), undefined);
  assert.equal(tellingLine(" \n\n"), undefined);
  const long = tellingLine(`bad \x1b[31m${"x".repeat(5000)}`)!;
  assert.equal(long.length, 300);
  assert.match(long, /^bad \?\[31mx+\.\.\.$/);
});
