// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { EndSignals } from "./end_signals.ts";

Deno.test("EndSignals tells the first signal that came", async () => {
  // Its listeners stay with the process, as in the program: only without them would a late signal end it.
  const signals = new EndSignals();
  assert.equal(signals.came, false);
  const alive = setTimeout(() => {}, 60_000); // a listener alone does not keep the process waiting
  Deno.kill(Deno.pid, "SIGTERM");
  assert.equal(await signals.asked, "SIGTERM");
  clearTimeout(alive);
  assert.equal(signals.came, true);
});

Deno.test("EndSignals that ignores a signal lets it end the process, also one that has come", async () => {
  const url = new URL("end_signals.ts", import.meta.url);
  const signals =
    `const { EndSignals } = await import("${url}"); const signals = new EndSignals();`;
  const kill = "Deno.kill(Deno.pid, 'SIGTERM');";
  const wait = "await new Promise((resolve) => setTimeout(resolve, 60_000));";
  for (
    const script of [
      `${signals} setTimeout(() => {}, 60_000); ${kill} await signals.asked; signals.ignore(); ${wait}`,
      `${signals} signals.ignore(); ${kill} ${wait}`,
    ]
  ) {
    const { signal } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-lock", script],
      stderr: "null",
    }).output();
    assert.equal(signal, "SIGTERM", script);
  }
});
