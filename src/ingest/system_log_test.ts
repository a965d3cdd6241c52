// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Unsupported } from "../core/errors.ts";
import { systemLogEvent, watchSystemLog } from "./system_log.ts";

const HEAD = "Nov 23 12:00:01 node1 systemd[1]: ";
const KILLED = `${HEAD}redis.service: Main process exited, code=killed, status=9/KILL`;

Deno.test("systemLogEvent finds services that ended badly, in both forms of syslog", () => {
  assert.deepEqual(systemLogEvent(KILLED), {
    entity: "service",
    id: "redis.service",
    metric: "exit_code",
    severity: "WARN",
    severityNumber: 13,
    body: KILLED,
    labels: { COMM: "systemd" },
  });
  const iso = "2026-11-23T12:00:01.1+00:00 node1 app[12]: worker ended, code=139";
  assert.equal(systemLogEvent(iso)?.id, "app");
  assert.equal(
    systemLogEvent(`${HEAD}a.service: Main process exited, code=exited, status=1/FAILURE`)?.id,
    "a.service",
  );
});

Deno.test("systemLogEvent passes over good ends and other lines", () => {
  for (
    const text of [
      `${HEAD}a.service: Main process exited, code=exited, status=0/SUCCESS`,
      `${HEAD}worker ended, code=0`,
      `${HEAD}Started a.service.`,
      "code=killed",
      "",
    ]
  ) assert.equal(systemLogEvent(text), undefined, text);
});

Deno.test("watchSystemLog begins at the end, follows rotation and emptying, and waits for whole lines", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/messages`;
    const add = (text: string) => Deno.writeTextFileSync(path, text, { append: true });
    add(`${KILLED}\n`);
    const ids: string[] = [];
    const paths = [`${folder}/none`, path];
    const probe = watchSystemLog({ paths, report: ({ id }) => ids.push(id) });
    const tick = () => probe.tick!(0);
    tick();
    add(KILLED.replace("redis", "one").slice(0, 50));
    tick();
    assert.deepEqual(ids, []);
    add(`${KILLED.replace("redis", "one").slice(50)}\n`);
    tick();
    assert.deepEqual(ids.splice(0), ["one.service"]);
    add(`${KILLED.replace("redis", "two")}\n`);
    Deno.renameSync(path, `${path}.1`);
    add(`${KILLED.replace("redis", "three")}\n`);
    tick();
    assert.deepEqual(ids.splice(0), ["two.service", "three.service"]);
    Deno.truncateSync(path, 0);
    add(`${KILLED.replace("redis", "x")}\n`);
    tick();
    assert.deepEqual(ids.splice(0), ["x.service"]);
    Deno.removeSync(path);
    tick();
    add("y".repeat(2 << 20) + `\n${KILLED}\n`);
    tick();
    assert.deepEqual(ids.splice(0), ["redis.service"]);
    assert.ok(probe.losses!().skipped_bytes! > 1 << 20);
    await probe.stop();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("watchSystemLog is unsupported where there is no system log", () => {
  assert.throws(() => watchSystemLog({ paths: ["/none/a"], report: () => {} }), Unsupported);
});
