// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ConfigError } from "../core/errors.ts";
import type { SettingValue } from "../core/probe.ts";
import { OPTIONAL_PATH, PATTERN, wholeNumbers } from "../core/setting_format.ts";
import { flagKey, listKey, numberKey, textKey } from "../core/setting_key.ts";
import { probeSettings, settingsOfParam } from "./probe_settings.ts";

const KEYS = {
  period: numberKey(5, [1, 9], "How often.", { unit: "s" }),
  device: textKey("eth0", "Which."),
  deep: flagKey("Whether."),
  skip: textKey("^/run", "What not.", { format: PATTERN }),
  ids: listKey(wholeNumbers(999, "ids"), "Which ones."),
  names: textKey("", "File of names.", { format: OPTIONAL_PATH }),
};

function settings(values: Record<string, SettingValue>) {
  return probeSettings(KEYS, values, { file: "gala.yaml", line: 7 });
}

Deno.test("probeSettings gives the declared default for what is not configured", () => {
  const none = settings({});
  assert.equal(none.number("period"), 5);
  assert.equal(none.text("device"), "eth0");
  assert.equal(none.flag("deep"), false);
  assert.ok(none.pattern("skip").test("/run/x"));
  assert.deepEqual(none.list("ids"), []);
  assert.equal(none.fileText("names"), "");
});

Deno.test("probeSettings gives what is configured, up to the limits", () => {
  assert.deepEqual([1, 9].map((period) => settings({ period }).number("period")), [1, 9]);
  assert.equal(settings({ device: "" }).text("device"), "");
  const flags = [true, false, 1, 0].map((deep) => settings({ deep }).flag("deep"));
  assert.deepEqual(flags, [true, false, true, false]);
  assert.ok(settings({ skip: "^(a|b)$" }).pattern("skip").test("b"));
});

Deno.test("probeSettings refuses another type, range or form, with the place, the value and what is allowed", () => {
  const refused = (read: () => unknown, message: string) =>
    assert.throws(read, (error) => error instanceof ConfigError && error.message === message);
  refused(
    () => settings({ period: 10 }).number("period"),
    'gala.yaml:7: setting "period" is 10; allowed: a whole number from 1 to 9',
  );
  refused(
    () => settings({ deep: "yes" }).flag("deep"),
    'gala.yaml:7: setting "deep" is "yes"; allowed: true or false',
  );
  for (const period of ["5", true, NaN, 1.5, 0]) {
    assert.throws(() => settings({ period }).number("period"), ConfigError);
  }
  assert.throws(() => settings({ device: 1 }).text("device"), ConfigError);
  assert.throws(() => settings({ deep: 2 }).flag("deep"), ConfigError);
  for (const skip of [2, "("]) {
    assert.throws(() => settings({ skip }).pattern("skip"), ConfigError);
  }
});

Deno.test("probeSettings knows no setting that the probe has not declared", () => {
  for (const name of ["absent", "toString", "__proto__"]) {
    assert.throws(() => settings({ absent: 1 }).number(name), RangeError);
  }
});

Deno.test("probeSettings splits lists at commas and refuses a part of another form", () => {
  const list = (ids: string | number) => settings({ ids }).list("ids");
  assert.deepEqual([list(" 1, 22 ,,333"), list(7), list("")], [["1", "22", "333"], ["7"], []]);
  for (const ids of ["1,x", "0", "1000"]) {
    assert.throws(() => list(ids), /allowed: up to 4096 ids from 1 to 999, with "," between/);
  }
});

Deno.test("probeSettings reads the file that a setting names, or says why it cannot", async () => {
  const file = await Deno.makeTempFile();
  const read = (names: string) => settings({ names }).fileText("names");
  try {
    await Deno.writeTextFile(file, "nginx\n");
    assert.equal(read(file), "nginx\n");
    for (const path of ["/no/such/file", "/tmp", "relative"]) {
      assert.throws(() => read(path), ConfigError);
    }
    await Deno.truncate(file, (1 << 20) + 1);
    assert.throws(() => read(file), /1048577 bytes/);
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
