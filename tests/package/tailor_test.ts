// SPDX-License-Identifier: MulanPSL-2.0
/** A build without some probes: smaller, says so, and runs with a configuration that still names them. */
import assert from "node:assert/strict";
import { BINARY, finished, ROOT, until, withAgent, withFolder } from "../e2e/run_agent.ts";

interface Verdict {
  name: string;
  runs: boolean;
  reason?: string;
}

async function build(...args: string[]): Promise<string> {
  const { code, err } = await finished(`${ROOT}scripts/build.sh`, args);
  assert.equal(code, 0, err);
  return err;
}

async function describes(binary: string): Promise<void> {
  const meta = JSON.parse((await finished(binary, ["meta", "--json"])).out) as { probe: string }[];
  const probes = new Set(meta.map(({ probe }) => probe));
  assert.ok(probes.has("system_cpu") && probes.has("endpoint"));
  assert.ok(!probes.has("tcp") && !probes.has("container"));
  const text = await finished(binary, ["meta"]);
  assert.match(text.out, /^Left out of this build: tcp, container$/m);
  const { out } = await finished(binary, ["doctor", "--json"]);
  const verdicts = JSON.parse(out) as Verdict[];
  for (const name of ["tcp", "container"]) {
    const { runs, reason } = verdicts.find((verdict) => verdict.name === name)!;
    assert.deepEqual([runs, reason], [false, "this build was made without it"]);
  }
}

Deno.test("build.sh --without makes a smaller program, which says what it lacks", async () => {
  await withFolder(async (folder) => {
    const binary = `${folder}/gala-gopher`;
    // The form of the original's tailor.conf: names of its probes with ".probe", "|" between.
    const said = await build("--without", "tcp.probe|cadvisor.probe", "--output", binary);
    const { size } = await Deno.stat(binary);
    assert.ok(said.includes(`${size} bytes, without `), said);
    assert.ok(size < (await Deno.stat(BINARY)).size);
    await describes(binary);
    const settings = { probes: [{ name: "tcp" }, { name: "system_meminfo" }] };
    await withAgent({ settings, binary }, async (agent) => {
      await until(
        "a word about tcp",
        () => agent.log().includes('"tcp" is unsupported: this build was made') || undefined,
      );
      assert.equal((await agent.rows("gala_gopher_mem_total_kB")).length, 1);
    });
  });
});

Deno.test("build.sh --without refuses a name that no probe has", async () => {
  const { code, err } = await finished(`${ROOT}scripts/build.sh`, ["--without", "tpc"]);
  assert.equal(code, 2, err);
  assert.match(err, /no probe "tpc"; there are: .*tcp/);
});

Deno.test("build.sh reads PROBES of the original's tailor.conf", async () => {
  const file = `${ROOT}tailor.conf`;
  // One of the developer's own is not to be touched.
  await Deno.writeTextFile(file, 'OTHER="x"\nPROBES="tpc.probe|lvs.probe"\n', { createNew: true });
  try {
    const { code, err } = await finished(`${ROOT}scripts/build.sh`, []);
    assert.equal(code, 2, err);
    assert.match(err, /no probe "tpc"/);
  } finally {
    await Deno.remove(file);
  }
});
