// SPDX-License-Identifier: MulanPSL-2.0
/** Name look-ups by the dns probe, of a Perl that calls the C library's getaddrinfo and gethostbyname. */
import assert from "node:assert/strict";
import dns from "../../src/probes/dns.ts";
import { Shell, TaskRig } from "./task_rig.ts";

const LOOKUPS = 31;
const FAILURES = 17;

Deno.test("dns counts 31 look-ups and 17 that fail, by process and name", async () => {
  await using shell = new Shell();
  await using rig = await TaskRig.start(dns, { tables: ["proc_dns", "dns"] });
  await rig.read();
  assert.ok(rig.running.hooks!().every(({ state }) => state === "attached"));
  const pid = Number(
    await shell.run(
      `perl -MSocket=getaddrinfo -e 'print $$, "\\n"; getaddrinfo("localhost", "") for 1..${LOOKUPS};` +
        ` getaddrinfo("127.0.0.1.no-such", "", {flags => Socket::AI_NUMERICHOST}) for 1..${FAILURES}'`,
    ),
  );
  await rig.read();
  const local = rig.row("dns", { tgid: pid, domain: "localhost" });
  assert.deepEqual([local.count, local.error_count, local.error_ratio], [LOOKUPS, 0, 0]);
  const { count, sum } = rig.histogram("dns", "seconds", { tgid: pid, domain: "localhost" });
  assert.equal(count, LOOKUPS);
  assert.ok(Math.abs(local.delay_avg! - sum / count * 1e6) < 1, `${local.delay_avg} us`);
  assert.ok(local.max_delay! >= local.delay_avg!);
  const failed = rig.row("dns", { tgid: pid, domain: "127.0.0.1.no-such" });
  assert.deepEqual([failed.count, failed.error_count, failed.error_ratio], [
    FAILURES,
    FAILURES,
    100,
  ]);
  const process = rig.row("proc_dns", { tgid: pid, comm: "perl" });
  assert.equal(process.gethostname_failed, FAILURES);
  assert.ok(process.ns_gethostname! > 0);
});

Deno.test("dns counts gethostbyname by its pointer, failures too", async () => {
  await using rig = await TaskRig.start(dns, { tables: ["dns"] });
  await rig.read();
  const libc = Deno.dlopen("libc.so.6", {
    gethostbyname: { parameters: ["buffer"], result: "pointer" },
  });
  const lookUp = (name: string) =>
    libc.symbols.gethostbyname(new TextEncoder().encode(`${name}\0`));
  for (let i = 0; i < 7; i++) assert.notEqual(lookUp("127.0.0.1"), null);
  const tooLong = "x".repeat(300); // fails without asking anybody
  for (let i = 0; i < 5; i++) assert.equal(lookUp(tooLong), null);
  libc.close();
  await rig.read();
  const of = (domain: string) => rig.row("dns", { tgid: Deno.pid, domain });
  assert.deepEqual([of("127.0.0.1").count, of("127.0.0.1").error_count], [7, 0]);
  const cut = of("x".repeat(63));
  assert.deepEqual([cut.count, cut.error_count], [5, 5]);
});
