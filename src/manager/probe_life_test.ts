// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ConfigError, KernelError, Unsupported } from "../core/errors.ts";
import type { RunningProbe } from "../core/probe.ts";
import { counter, table as declare } from "../core/declare.ts";
import { Store } from "../core/store.ts";
import { Manager } from "./manager.ts";
import type { ProbeLife, Startable } from "./probe_life.ts";

const BACK_OFF_MS = 1;
const INTERVAL_MS = 1000;

/** A manager with a clock that is set by hand, whose log can be waited for. */
function bench(backOffMs = BACK_OFF_MS) {
  const lines: string[] = [];
  const waiting: { pattern: RegExp; times: number; done: () => void }[] = [];
  const clock = { now: 0 };
  const store = new Store({ maxTables: 9, maxRows: 9, maxFields: 9, timeoutMs: 5000 }, {});
  const heard = (pattern: RegExp) => lines.filter((line) => pattern.test(line)).length;
  const manager = new Manager({
    store,
    now: () => clock.now,
    intervalMs: INTERVAL_MS,
    backOffMs,
    random: () => 0.5,
    log: (level, text) => {
      lines.push(`${level} ${text}`);
      for (const { pattern, times, done } of waiting) if (heard(pattern) >= times) done();
    },
  });
  const said = (pattern: RegExp, times = 1) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (heard(pattern) >= times) resolve();
    waiting.push({ pattern, times, done: resolve });
    return promise;
  };
  return { manager, store, clock, lines, said };
}

function probe(name: string, start: Startable["start"], kind: Startable["kind"] = "native") {
  return { name, kind, start };
}

/** Runs, and counts what is done to it. */
function counting(ticked: () => void | Promise<void> = () => {}) {
  const counts = { starts: 0, ticks: 0, stops: 0 };
  const start = (): Promise<RunningProbe> => {
    counts.starts++;
    return Promise.resolve({
      tick: () => {
        counts.ticks++;
        return ticked();
      },
      stop: () => void counts.stops++,
    });
  };
  return { counts, start };
}

function brief(life: ProbeLife) {
  const { state, failures, restarts, reason } = life.status();
  return { state, failures, restarts, reason };
}

Deno.test("ProbeLife starts, reads at once and on each tick, and stops", async () => {
  const { manager } = bench();
  const { counts, start } = counting();
  const life = manager.add(probe("good", start));
  assert.equal(life.state, "stopped");
  manager.tick();
  await Promise.all([life.start(), life.start()]);
  assert.deepEqual(counts, { starts: 1, ticks: 1, stops: 0 });
  manager.tick();
  assert.equal(life.status().ticks, 2);
  await Promise.all([life.stop(), life.stop()]);
  manager.tick();
  assert.deepEqual(counts, { starts: 1, ticks: 2, stops: 1 });
  assert.equal(brief(life).reason, "stopped on request");
  await life.start();
  assert.deepEqual([life.state, counts.starts], ["running", 2]);
  await manager.stop();
});

Deno.test("ProbeLife restarts a probe that throws at its start three times, then says why it gave up", async () => {
  const { manager, said } = bench();
  let starts = 0;
  const life = manager.add(probe("bad", () => {
    starts++;
    return Promise.reject(new KernelError("load", "prog", 12, "ENOMEM"));
  }));
  await life.start();
  assert.match(brief(life).reason!, /^Cannot load "prog": ENOMEM; starts again 0.001 s later$/);
  await said(/^error Probe "bad" failed: Cannot load "prog": ENOMEM$/, 4);
  assert.deepEqual(brief(life), {
    state: "failed",
    failures: 4,
    restarts: 3,
    reason: 'Cannot load "prog": ENOMEM; gave up after 3 restarts in a row',
  });
  assert.equal(starts, 4);
  await life.start(); // by hand it gets its restarts anew
  await said(/^error Probe "bad" failed/, 8);
  assert.equal(starts, 8);
  await manager.stop();
});

for (const kind of ["throws", "rejects"]) {
  Deno.test(`ProbeLife restarts a probe whose tick ${kind}, ending it each time, then gives up`, async () => {
    const { manager, said, lines } = bench();
    const { counts, start } = counting(() => {
      if (kind === "throws") throw new TypeError("no such field");
      return Promise.reject(new TypeError("no such field"));
    });
    const life = manager.add(probe("bad", start));
    await life.start();
    await said(/^error Probe "bad" failed/, 4);
    assert.equal(brief(life).reason, "TypeError: no such field; gave up after 3 restarts in a row");
    assert.deepEqual([brief(life).failures, brief(life).restarts], [4, 3]);
    assert.match(lines.join("\n"), /TypeError: no such field\n +at /); // a bug is logged with its stack
    await manager.stop();
    assert.deepEqual(counts, { starts: 4, ticks: 4, stops: 4 });
  });
}

Deno.test("ProbeLife recovers from a failure", async () => {
  const { manager, said } = bench();
  let left = 2;
  const { counts, start } = counting(() => {
    if (left-- > 0) throw new Error("busy");
  });
  const life = manager.add(probe("shaky", start));
  await life.start();
  await said(/^info Probe "shaky" runs/, 3);
  manager.tick();
  const { state, failures, restarts, reason } = brief(life);
  assert.deepEqual([state, failures, restarts, reason], ["running", 2, 2, undefined]);
  assert.equal(counts.stops, 2);
  await manager.stop();
});

Deno.test("ProbeLife does not retry what is unsupported or configured wrongly", async () => {
  const { manager } = bench();
  let starts = 0;
  const refuse = (error: Error) => () => {
    starts++;
    return Promise.reject(error);
  };
  const old = manager.add(probe("old", refuse(new Unsupported("kernel lacks it", "update"))));
  const typo = manager.add(
    probe("typo", refuse(new ConfigError('"x" is no number', { file: "a.yaml", line: 3 }))),
  );
  await Promise.all([old.start(), typo.start()]);
  assert.deepEqual([old.state, old.status().reason, old.status().mend], [
    "unsupported",
    "kernel lacks it",
    "update",
  ]);
  assert.deepEqual([typo.state, typo.status().reason], ["failed", 'a.yaml:3: "x" is no number']);
  assert.deepEqual([old.status().failures, typo.status().restarts, starts], [0, 0, 2]);
  await manager.stop(); // a pending restart would leak a timer, which the test runner reports
});

Deno.test("ProbeLife skips and counts ticks while a reading hangs, says so, and others go on", async () => {
  const { manager, clock, said } = bench();
  const hung = Promise.withResolvers<void>();
  const stuck = counting(() => hung.promise);
  const fine = counting();
  const life = manager.add(probe("stuck", stuck.start));
  const other = manager.add(probe("fine", fine.start));
  await Promise.all([life.start(), other.start()]);
  for (const now of [1000, 1999]) {
    clock.now = now;
    manager.tick();
  }
  assert.equal(life.status().reason, undefined);
  clock.now = 3000;
  manager.tick();
  await said(/^warn Probe "stuck" hangs/);
  assert.equal(life.status().reason, "its reading has not come back for 3 s");
  assert.deepEqual([life.state, life.status().ticks, life.status().lateTicks], ["running", 0, 3]);
  assert.deepEqual([stuck.counts.ticks, fine.counts.ticks], [1, 4]);
  assert.equal(other.status().lateTicks, 0);
  await life.stop();
  await life.start();
  assert.equal(stuck.counts.ticks, 2);
  hung.resolve(); // ends the readings of both lives; only the present one counts
  await hung.promise;
  assert.deepEqual([life.status().ticks, life.status().reason], [1, undefined]);
  await manager.stop();
});

Deno.test("ProbeLife stops a probe that is still being started, as soon as it has", async () => {
  const { manager } = bench();
  const opened = Promise.withResolvers<RunningProbe>();
  const life = manager.add(probe("slow", () => opened.promise));
  let stops = 0;
  const started = life.start();
  const stopped = life.stop();
  await Promise.resolve();
  assert.equal(life.state, "starting");
  opened.resolve({ stop: () => void stops++ });
  await Promise.all([started, stopped]);
  assert.deepEqual([life.state, stops], ["stopped", 1]);
});

Deno.test("ProbeLife stops during a back-off and is not started again", async () => {
  const { manager } = bench(3_600_000);
  let starts = 0;
  const life = manager.add(probe("bad", () => {
    starts++;
    return Promise.reject(new Error("no"));
  }));
  await life.start();
  assert.equal(life.state, "failed");
  await life.stop();
  assert.deepEqual([life.state, starts], ["stopped", 1]);
});

Deno.test("ProbeLife started by hand during a back-off forgets the pause", async () => {
  const { manager } = bench(3_600_000);
  let fail = true;
  const good = counting();
  const life = manager.add(
    probe("bad", () => fail ? Promise.reject(new Error("no")) : good.start()),
  );
  await life.start();
  fail = false;
  await life.start();
  assert.deepEqual([life.state, life.status().restarts], ["running", 0]);
  await life.stop();
});

Deno.test("ProbeLife restarts a probe that reports its own end, and ignores it from an earlier life", async () => {
  const { manager, said } = bench();
  const ends: ((reason: string) => void)[] = [];
  let stops = 0;
  const life = manager.add(probe("child", (failed) => {
    ends.push(failed);
    return Promise.resolve({ stop: () => void stops++ });
  }, "external"));
  await life.start();
  ends[0]!("exited with 3");
  assert.equal(brief(life).reason, "exited with 3; starts again 0.001 s later");
  ends[0]!("exited with 3");
  await said(/^info Probe "child" runs/, 2);
  ends[0]!("exited with 3");
  assert.deepEqual(brief(life), {
    state: "running",
    failures: 1,
    restarts: 1,
    reason: undefined,
  });
  await life.stop();
  ends[1]!("too late");
  assert.deepEqual([life.state, stops, ends.length], ["stopped", 2, 2]);
});

Deno.test("ProbeLife ends a probe that reports its end while it is being started", async () => {
  const { manager, said } = bench();
  let starts = 0;
  let stops = 0;
  const life = manager.add(probe("child", (failed) => {
    if (++starts === 1) failed("exited at once");
    return Promise.resolve({ stop: () => void stops++ });
  }, "external"));
  await life.start();
  await said(/^info Probe "child" runs/);
  assert.deepEqual([life.state, starts, stops], ["running", 2, 1]);
  await manager.stop();
  assert.equal(stops, 2);
});

Deno.test("ProbeLife forgives earlier failures of a probe without ticks that worked for long", async () => {
  const { manager, clock, said } = bench();
  let end: (reason: string) => void = () => {};
  const life = manager.add(probe("child", (failed) => {
    end = failed;
    return Promise.resolve({ stop: () => {} });
  }, "external"));
  await life.start();
  for (let round = 1; round <= 7; round++) {
    clock.now += 600_001;
    end("exited with 1");
    await said(/^info Probe "child" runs/, round + 1);
  }
  assert.deepEqual([life.state, life.status().restarts], ["running", 7]);
  await manager.stop();
});

Deno.test("ProbeLife counts and logs a stop that throws, and is stopped all the same", async () => {
  const { manager, lines } = bench();
  const stop = () => Promise.reject(new Error("stays"));
  const life = manager.add(probe("sticky", () => Promise.resolve({ stop })));
  await life.start();
  await life.stop();
  assert.deepEqual([life.state, life.status().failures], ["stopped", 1]);
  assert.ok(lines.includes('error Probe "sticky" did not stop cleanly: Error: stays'));
});

Deno.test("ProbeLife gives its status when the probe cannot tell its losses", async () => {
  const { manager, lines } = bench();
  const losses = () => {
    throw new KernelError("read", "losses", 9, "EBADF");
  };
  const facts = () => ({ pid: 7 });
  const life = manager.add(
    probe("mute", () => Promise.resolve({ stop: () => {}, losses, facts })),
  );
  await life.start();
  assert.deepEqual([life.status().losses, life.status().facts], [{}, { pid: 7 }]);
  assert.match(lines.at(-1)!, /cannot tell all of its status: Cannot read "losses": EBADF/);
  await manager.stop();
});

Deno.test("Manager keeps other probes going when one fails, and sweeps their rows", async () => {
  const { manager, store, clock } = bench(3_600_000);
  const spec = declare({ entity: "t", keys: ["k"], metrics: { m: counter("M.", "count") } });
  const fine = counting();
  const bad = manager.add(
    probe("bad", () =>
      Promise.resolve({
        tick: () => {
          throw new Error("no");
        },
        stop: () => {},
      })),
  );
  const other = manager.add(probe("fine", fine.start));
  store.add("rows", "fine", spec).row(["a"], 0);
  await Promise.all([bad.start(), other.start()]);
  assert.deepEqual(manager.status().map(({ name, state }) => [name, state]), [
    ["bad", "failed"],
    ["fine", "running"],
  ]);
  const rows = { name: "rows", rows: 1, dropped: 0, expired: 0 };
  assert.deepEqual(manager.get("fine")!.status().tables, [rows]);
  assert.deepEqual(manager.get("bad")!.status().tables, []);
  clock.now = 5001;
  manager.tick();
  assert.deepEqual(other.status().tables, [{ ...rows, rows: 0, expired: 1 }]);
  assert.equal(fine.counts.ticks, 2);
  assert.throws(() => manager.add(probe("bad", fine.start)), /Probe "bad" exists already/);
  await manager.stop();
});
