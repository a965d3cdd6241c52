// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { filtersNothing, NO_FILTER, parseWhiteList, Snooper, wants } from "./proc_filter.ts";
import type { Process } from "./process_table.ts";

function process(facts: Partial<Process>): Process {
  const { cmdline = "" } = facts;
  const nobody = { pid: 1, start: 1, comm: "a", cmdline, containerId: "" };
  return { ...nobody, cmdlineIncludes: (text) => cmdline.includes(text), ...facts };
}

const NGINX = process({ pid: 7, comm: "nginx", cmdline: "nginx: master -g daemon off" });

Deno.test("wants takes a process that any part of the filter names", () => {
  assert.equal(wants(NO_FILTER, NGINX), false);
  assert.equal(wants({ ...NO_FILTER, pids: new Set([7]) }, NGINX), true);
  assert.equal(wants({ ...NO_FILTER, pids: new Set([8]) }, NGINX), false);
  assert.equal(wants({ ...NO_FILTER, comms: new Set(["nginx"]) }, NGINX), true);
  assert.equal(wants({ ...NO_FILTER, comms: new Set(["ngin"]) }, NGINX), false);
  assert.equal(
    wants({ ...NO_FILTER, pids: new Set([8]), comms: new Set(["nginx"]) }, NGINX),
    true,
  );
});

Deno.test("wants finds a pattern anywhere in the name, and a text in the command line, and wants both", () => {
  const rule = (comm = /(?:)/, cmdline = "") =>
    wants({ ...NO_FILTER, rules: [{ comm, cmdline }] }, NGINX);
  assert.deepEqual([rule(/gin/), rule(/^gin/), rule(/^nginx$/)], [true, false, true]);
  assert.deepEqual([rule(undefined, "daemon"), rule(undefined, "demon")], [true, false]);
  assert.deepEqual([rule(/gin/, "master"), rule(/x$/, "slave"), rule(/y/, "master")], [
    true,
    false,
    false,
  ]);
});

Deno.test("wants compares ids of containers in their short or long form, in any case", () => {
  const long = "0123456789ABCDEF".repeat(4);
  const inside = process({ containerId: long.slice(0, 12) });
  const containers = (id: string) =>
    wants({ ...NO_FILTER, containers: [id.toLowerCase()] }, inside);
  assert.equal(containers(long), true);
  assert.equal(containers(long.slice(0, 12)), true);
  assert.equal(containers(`f${long.slice(1)}`), false);
  assert.equal(containers("01"), false, "too short to be one");
  assert.equal(wants({ ...NO_FILTER, containers: [long] }, NGINX), false, "outside of containers");
});

Deno.test("Snooper lets all pass until it has a filter, and may get another at any time", () => {
  const snooper = new Snooper();
  assert.deepEqual([snooper.isOpen, snooper.filter, snooper.wants(NGINX)], [true, undefined, true]);
  snooper.filter = { ...NO_FILTER, pids: new Set([8]) };
  assert.deepEqual([snooper.isOpen, snooper.wants(NGINX)], [false, false]);
  snooper.filter = { ...NO_FILTER, pids: new Set([7]) };
  assert.equal(snooper.wants(NGINX), true);
  snooper.filter = NO_FILTER;
  assert.deepEqual([snooper.isOpen, snooper.wants(NGINX)], [true, true]);
  assert.equal(filtersNothing(NO_FILTER), true);
});

Deno.test("Snooper looks at a process once for each filter", () => {
  const snooper = new Snooper();
  let looks = 0;
  const looked = process({
    cmdlineIncludes: () => {
      looks++;
      return true;
    },
  });
  snooper.filter = { ...NO_FILTER, rules: [{ comm: /^/, cmdline: "x" }] };
  assert.deepEqual([snooper.wants(looked), snooper.wants(looked), looks], [true, true, 1]);
});

Deno.test("Snooper follows a process that is moved into a container", () => {
  const snooper = new Snooper();
  let containerId = "";
  const moved: Process = Object.defineProperty({ ...NGINX }, "containerId", {
    get: () => containerId,
  });
  snooper.filter = { ...NO_FILTER, containers: ["0123456789ab"] };
  assert.equal(snooper.wants(moved), false);
  containerId = "0123456789ab";
  assert.equal(snooper.wants(moved), true);
});

Deno.test("parseWhiteList takes a name a line, as the kernel would cut it", () => {
  const text = "nginx\n\n  redis-server \r\n# comment\nredis-benchmark\na-name-longer-than-that\n";
  assert.deepEqual([...parseWhiteList(text)], [
    "nginx",
    "redis-server",
    "redis-benchmark",
    "a-name-longer-t",
  ]);
  assert.deepEqual([...parseWhiteList("")], []);
});
