// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ConfigError } from "../core/errors.ts";
import type { SettingValue } from "../core/probe.ts";
import { probeSettings, settingsOfParam } from "./probe_settings.ts";

function settings(values: Record<string, SettingValue>) {
  return probeSettings(values, { file: "gala.yaml", line: 7 });
}

Deno.test("probeSettings gives the default for what is not configured", () => {
  const none = settings({});
  assert.equal(none.number("period", 5), 5);
  assert.equal(none.text("device", "eth0"), "eth0");
  assert.equal(none.flag("deep", true), true);
  assert.ok(none.pattern("skip", "^/run").test("/run/x"));
});

Deno.test("probeSettings gives what is configured, up to the limits", () => {
  const set = settings({ low: 1, high: 9, device: "", on: true, off: false, one: 1, zero: 0 });
  assert.deepEqual([set.number("low", 5, 1, 9), set.number("high", 5, 1, 9)], [1, 9]);
  assert.equal(set.text("device", "eth0"), "");
  assert.deepEqual(
    ["on", "off", "one", "zero"].map((name) => set.flag(name, name === "off")),
    [true, false, true, false],
  );
});

Deno.test("probeSettings refuses another type or range, with the place, the value and what is allowed", () => {
  const set = settings({ number: 10, text: "yes", flag: true, nan: NaN, two: 2 });
  const refused = (read: () => unknown, message: string) =>
    assert.throws(read, (error) => error instanceof ConfigError && error.message === message);
  refused(
    () => set.number("number", 5, 1, 9),
    'gala.yaml:7: setting "number" is 10; allowed: a number from 1 to 9',
  );
  refused(() => set.text("number", ""), 'gala.yaml:7: setting "number" is 10; allowed: a text');
  refused(
    () => set.flag("text", false),
    'gala.yaml:7: setting "text" is "yes"; allowed: true or false',
  );
  for (const name of ["text", "flag", "nan"]) {
    assert.throws(() => set.number(name, 1), ConfigError);
  }
  assert.throws(() => set.number("number", 1, 11), ConfigError);
  assert.throws(() => set.text("flag", ""), ConfigError);
  assert.throws(() => set.flag("two", false), ConfigError);
  assert.throws(() => set.pattern("two", ""), ConfigError);
  assert.throws(() => settings({ skip: "(" }).pattern("skip", ""), ConfigError);
});

Deno.test("probeSettings splits lists at commas and refuses a part of another form", () => {
  const set = settings({ ids: " 1, 22 ,,333", one: 7, bad: "1,x" });
  const list = (name: string) => set.list(name, /^\d+$/, "ids");
  assert.deepEqual([list("ids"), list("one"), list("none")], [["1", "22", "333"], ["7"], []]);
  assert.throws(
    () => list("bad"),
    (error) => error instanceof ConfigError && /"bad" is "1,x"; allowed: ids/.test(error.message),
  );
});

Deno.test("probeSettings makes patterns, and refuses what is none", () => {
  const set = settings({ good: "^(a|b)$", bad: "(" });
  assert.equal(set.pattern("good", "").test("b"), true);
  assert.equal(set.pattern("none", "^x").source, "^x");
  assert.throws(() => set.pattern("bad", ""), ConfigError);
});

Deno.test("probeSettings reads the file that a setting names, or says why it cannot", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "nginx\n");
    const set = settings({ file, none: "/no/such/file", folder: "/tmp", relative: "a" });
    assert.equal(set.fileText("file"), "nginx\n");
    assert.equal(set.fileText("absent"), "");
    for (const name of ["none", "folder", "relative"]) {
      assert.throws(() => set.fileText(name), ConfigError);
    }
    await Deno.truncate(file, (1 << 20) + 1);
    assert.throws(() => set.fileText("file"), /1048577 bytes/);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("settingsOfParam takes the options that a probe names from the original's arguments", () => {
  const options = { w: "whitelist", U: "upper" };
  const given = "-t 5 -w /opt/list.conf -l warn -U";
  assert.deepEqual(settingsOfParam(given, options), { whitelist: "/opt/list.conf" });
  assert.deepEqual(settingsOfParam("", options), {});
  assert.deepEqual(settingsOfParam("-w", {}), {});
});
