// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";

const URL_TEXT = new URL("end_signals.ts", import.meta.url).href;
const OPEN =
  `const { EndSignals } = await import("${URL_TEXT}"); const signals = new EndSignals();`;
/** A listener alone does not keep a process waiting. */
const WAIT = "const timer = setTimeout(() => {}, 60_000);";
const KILL = "Deno.kill(Deno.pid, 'SIGTERM');";

/** How a process of its own ends, since the listeners stay with theirs. */
async function end(script: string): Promise<Pick<Deno.CommandStatus, "code" | "signal">> {
  const args = ["eval", "--no-lock", script];
  const { code, signal } = await new Deno.Command(Deno.execPath(), { args }).output();
  return { code, signal };
}

Deno.test("EndSignals tells the first signal that came, and the process goes on", async () => {
  const exit = "Deno.exit(signals.came && await signals.asked === 'SIGTERM' ? 7 : 8);";
  assert.equal((await end(`${OPEN} ${WAIT} ${KILL} await signals.asked; ${exit}`)).code, 7);
});

Deno.test("EndSignals that ignores signals lets them end the process, also one that has come", async () => {
  const late = `${OPEN} ${WAIT} ${KILL} await signals.asked; signals.ignore();`;
  const early = `${OPEN} ${WAIT} signals.ignore(); ${KILL}`;
  for (const script of [late, early]) assert.equal((await end(script)).signal, "SIGTERM", script);
});
