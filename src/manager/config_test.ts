// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ConfigError } from "../core/errors.ts";
import { loadConfig } from "./config.ts";
import type { ConfigFiles } from "./config_file.ts";
import { ConfigProblems } from "./config_findings.ts";
import { OPTIONAL_PATH } from "../core/setting_format.ts";
import { flagKey, numberKey, textKey } from "../core/setting_key.ts";
import type { Config, KnownProbe } from "./schema.ts";

const KNOWN: readonly KnownProbe[] = [
  { name: "system_cpu", on: true, partOf: ["system_infos", "baseinfo"], settings: {} },
  {
    name: "system_proc",
    on: true,
    partOf: ["system_infos", "baseinfo"],
    settings: {
      top: numberKey(20, [0, 1000], "How many."),
      smaps_interval: numberKey(60, [0, 86400], "How often."),
      whitelist: textKey("", "Which.", { format: OPTIONAL_PATH }),
    },
  },
  { name: "tcp", on: true, partOf: ["tcpprobe"], settings: { report_cport: flagKey("Whether.") } },
  { name: "io", on: true, partOf: ["blockprobe"], settings: {} },
  { name: "messages", on: false, partOf: ["ksliprobe", "redissli"], settings: {} },
  { name: "event", on: false, partOf: [], settings: {} },
];
const FIXTURES = new URL("../../tests/fixtures/conf/", import.meta.url).pathname;

/** A file system of these files alone; a path that others start with is a folder. */
function filesOf(texts: Record<string, string | Uint8Array>): ConfigFiles {
  return {
    kindOf(given) {
      const path = given.replace(/\/$/, "");
      if (Object.hasOwn(texts, path)) return "file";
      return Object.keys(texts).some((name) => name.startsWith(`${path}/`)) ? "folder" : "missing";
    },
    read(path, limit) {
      const text = texts[path]!;
      const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
      return bytes.subarray(0, limit);
    },
  };
}

const yaml = (text: string, environment = {}): Config =>
  loadConfig("/c.yaml", KNOWN, environment, filesOf({ "/c.yaml": text }));

const conf = (text: string): Config =>
  loadConfig("/c.conf", KNOWN, {}, filesOf({ "/c.conf": text }));

function problemsOf(load: () => unknown): string[] {
  try {
    load();
  } catch (error) {
    assert.ok(error instanceof ConfigProblems, String(error));
    assert.ok(error.errors.every((each) => each instanceof ConfigError));
    assert.equal(error.message, error.errors.map((each) => each.message).join("\n"));
    return error.errors.map((each) => each.message);
  }
  return [];
}

const badFile = (name: string): string[] =>
  problemsOf(() => loadConfig(`${FIXTURES}bad/${name}`, KNOWN))
    .map((message) => message.replace(`${FIXTURES}bad/`, ""));

const NAME = "a name of up to 64 letters, digits, _ . -, that starts with a letter or _";
const SERVER_KEYS = "bind_addr, port, ssl_auth, private_key, cert_file, ca_file";
const KAFKA_KEYS = "kafka_broker, batch_num_messages, compression_codec, " +
  "queue_buffering_max_messages, queue_buffering_max_kbytes, queue_buffering_max_ms, ssl, ca_file, " +
  "cert_file, key_file, sasl_mechanism, sasl_username, sasl_password, spool_dir, spool_max_size";
const IMDB_KEYS = "max_tables_num, max_records_num, max_metrics_num, record_timeout";
const ALL = "global, metric, event, meta, ingress, egress, imdb, web_server, rest_api_server, " +
  "kafka, otlp, external_probes, logs, probes, extend_probes";
const EXTEND_KEYS =
  "name, command, param, switch, start_check, check_type, meta, short_lines, settings, environment, user, nice, cpu_limit, memory_limit, working_dir, hung_after";
const PORT = "a whole number from 1024 to 65535";
const ONCE = "each name once in probes and extend_probes together";

/** File in tests/fixtures/conf/bad, then what is said of it, a line each. */
const BAD: [string, string[]][] = [
  ["broken.yaml", [
    "2:14: broken YAML: Nested mappings are not allowed in compact mappings",
    "5:1: broken YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
  ]],
  ["tab.yaml", [
    "2:1: broken YAML: Tabs are not allowed as indentation",
  ]],
  ["nul.yaml", [
    "binary file (has NUL bytes); allowed: text in UTF-8",
  ]],
  ["latin.yaml", [
    "not UTF-8; allowed: text in UTF-8",
  ]],
  ["binary.conf", [
    "binary file (has NUL bytes); allowed: text in UTF-8",
  ]],
  ["unknown_keys.yaml", [
    `2:3: unknown key "web_server.prot", did you mean "port"?; allowed: ${SERVER_KEYS}`,
    `3:3: unknown key "web_server.bind_adr", did you mean "bind_addr"?; allowed: ${SERVER_KEYS}`,
    `4:1: unknown key "metrics", did you mean "metric"?; allowed: ${ALL}`,
    `7:3: unknown key "kafka.colour"; allowed: ${KAFKA_KEYS}`,
  ]],
  ["types.yaml", [
    "2:14: global.log_level is a list; allowed: debug, info, warn or error",
    '3:14: global.bpf_stats is "yes"; allowed: true or false',
    '4:9: global.root is 7; allowed: an absolute path, or ""',
    `6:9: web_server.port is "8888"; allowed: ${PORT}`,
    "7:13: web_server.bind_addr has no value; allowed: an IPv4 or IPv6 address",
    `8:7: imdb is 5; allowed: a group of ${IMDB_KEYS}`,
    '9:9: probes is "tcp"; allowed: a list of up to 256 groups, [] for none',
    `11:5: extend_probes is "example.sh"; allowed: a group of ${EXTEND_KEYS}`,
  ]],
  ["ranges.yaml", [
    "2:13: ingress.interval is 0.05; allowed: a number from 0.1 to 120",
    "4:13: egress.interval is Infinity; allowed: a number from 0.1 to 120",
    "6:19: imdb.max_tables_num is 4097; allowed: a whole number from 1 to 4096",
    "7:20: imdb.max_records_num is 1000001; allowed: a whole number from 1 to 1000000",
    "8:19: imdb.record_timeout is 1.5; allowed: a whole number from 1 to 86400",
    `10:9: web_server.port is 0; allowed: ${PORT}`,
    `12:9: rest_api_server.port is 70000; allowed: ${PORT}`,
    '13:14: rest_api_server.bind_addr is "256.0.0.1"; allowed: an IPv4 or IPv6 address',
    '15:16: metric.out_channel is "prometheus"; allowed: web_server, kafka, otlp, json or logs, several with "," between, or ""',
    '16:16: metric.kafka_topic is "a b"; allowed: 1 to 249 letters, digits, _ . -',
    '18:17: kafka.kafka_broker is "host:99999"; allowed: host:port, several with "," between, or ""',
    '20:9: global.root is "host"; allowed: an absolute path, or ""',
    '21:18: global.log_file_name is "../gopher.log"; allowed: a file name without "/" of up to 255 characters, or ""',
  ]],
  ["duplicate_keys.yaml", [
    '3:3: duplicate key "port", first in line 2; allowed: each key once',
    '6:1: duplicate key "web_server", first in line 1; allowed: each key once',
  ]],
  ["duplicate_probes.yaml", [
    `4:5: duplicate probe "tcp", first in line 2; allowed: ${ONCE}`,
    `6:5: duplicate probe "system_cpu", first in line 3; allowed: ${ONCE}`,
  ]],
  ["entries.yaml", [
    `2:5: entry of probes has no "name"; allowed: ${NAME}`,
    `3:11: probes.name is ""; allowed: ${NAME}`,
    '5:13: probes.switch is "auto"; allowed: on or off',
    '6:24: probes.tables.tcp_rtt is "maybe"; allowed: on or off',
    "7:25: probes.settings.nested is a group; allowed: a text, a number, true or false",
    '9:5: entry of extend_probes has no "command"; allowed: a text that is not empty',
    '10:5: extend_probes.switch is "auto" without start_check; allowed: auto with a start_check',
    `14:5: unknown key "extend_probes.comand", did you mean "command"?; allowed: ${EXTEND_KEYS}`,
    '13:5: entry of extend_probes has no "command"; allowed: a text that is not empty',
  ]],
  ["tls.yaml", [
    '2:13: web_server.ssl_auth is "on" without private_key; allowed: on with both files',
    '4:12: web_server.ca_file: client certificates are not checked yet; allowed: ""',
  ]],
  ["alias.yaml", [
    '3:18: alias "*server"; allowed: the value itself',
  ]],
  ["tag.yaml", [
    "2:9: broken YAML: Unresolved tag: !env",
  ]],
  ["documents.yaml", [
    "2:1: second YAML document; allowed: one document",
  ]],
  ["list.yaml", [
    "1:1: file is a list; allowed: a group of sections",
  ]],
  ["include.conf", [
    '2:1: "@include" is not supported; allowed: all settings in one file',
  ]],
  ["unclosed.conf", [
    '4:1: unexpected end of file in "{" of line 2; allowed: a setting name or "}"',
  ]],
  ["values.conf", [
    '1:24: global.log_level is "loud"; allowed: debug, info, warn or error',
    "1:46: global.rest_api_on is 1; allowed: true or false",
    `2:23: web_server.port is 80; allowed: ${PORT}`,
    `2:27: unknown key "web_server.prot", did you mean "port"?; allowed: ${SERVER_KEYS}`,
    "3:24: ingress.interval is 121; allowed: a number from 0.1 to 120",
    '4:37: probes.switch is "auto"; allowed: on or off',
  ]],
];

Deno.test("loadConfig names place, mistake and remedy of all that is wrong in a file", () => {
  for (const [name, expected] of BAD) {
    const said = badFile(name).map((line) => line.replace(`${name}:`, "").trim());
    assert.deepEqual(said, expected, name);
  }
});

Deno.test("loadConfig takes an empty file, and one of comments, for the defaults", () => {
  for (const text of ["", "\n\n", "# nothing\n", "---\n", "global:\n  # root: /host\n", "{}"]) {
    const { origin, ...config } = yaml(text);
    const { origin: none, probes, ...defaults } = loadConfig(
      undefined,
      KNOWN,
      {},
      filesOf({}),
    );
    assert.deepEqual([origin, none], ["/c.yaml", undefined]);
    assert.deepEqual(config, { ...defaults, probes });
  }
  assert.deepEqual(conf("# nothing\n").imdb, yaml("").imdb);
});

Deno.test("loadConfig uses what the file sets and the default for the rest", () => {
  const config = yaml("ingress: { interval: 0.5 }\nimdb:\n  max_records_num: 20000\n");
  assert.equal(config.ingress.interval, 0.5);
  assert.deepEqual(config.imdb, {
    max_tables_num: 1024,
    max_records_num: 20000,
    max_metrics_num: 64,
    record_timeout: 60,
  });
  assert.deepEqual(
    config.probes.map((probe) => [probe.name, probe.switch]),
    KNOWN.map(({ name, on }) => [name, on ? "on" : "off"]),
  );
});

Deno.test("loadConfig takes a list of probes as all that is wanted, and keeps their places", () => {
  assert.deepEqual(yaml("probes: []").probes, []);
  const { probes } = yaml(
    "probes:\n  - name: own\n    tables: { tcp_rtt: off }\n    settings: { long_ms: 10, a: x, b: true }\n",
  );
  assert.deepEqual(probes, [{
    name: "own",
    switch: "on",
    param: "",
    tables: { tcp_rtt: "off" },
    settings: { long_ms: 10, a: "x", b: true },
    place: { file: "/c.yaml", line: 2, column: 5 },
  }]);
});

Deno.test("loadConfig keeps names such as __proto__ apart from the program's own objects", () => {
  const { probes } = yaml("probes:\n  - name: a\n    settings: { __proto__: 1, constructor: 2 }\n");
  assert.deepEqual(Object.keys(probes[0]!.settings), ["__proto__", "constructor"]);
  assert.match(problemsOf(() => yaml("__proto__: { a: 1 }\n")).join(), /unknown key "__proto__"/);
  assert.match(problemsOf(() => conf("global = { toString = 1; };")).join(), /unknown key/);
});

Deno.test("loadConfig checks the settings of a probe that has declared them", () => {
  const entry = (settings: string) => `probes:\n  - name: system_proc\n    settings: ${settings}\n`;
  const { probes } = yaml(entry("{ top: 7, smaps_interval: 1 }"));
  assert.deepEqual(probes[0]!.settings, { top: 7, smaps_interval: 1 });
  yaml(entry("{ report_event: 1, res_upper_thr: 80 }"));
  yaml("probes:\n  - name: tcp\n    settings: { report_cport: 1, report_event: true }\n");
  const problems = problemsOf(() => yaml(entry("{ topp: 7, smaps_interval: -1, whitelist: a }")));
  assert.equal(problems.length, 3);
  assert.match(problems[0]!, /unknown key "settings.topp", did you mean "top"\?/);
  assert.match(
    problems[1]!,
    /c\.yaml:3:42: settings.smaps_interval is -1; allowed: a whole number/,
  );
  assert.match(problems[2]!, /settings.whitelist is "a"; allowed: an absolute path/);
});

Deno.test("loadConfig takes the original's spellings of levels for ours", () => {
  for (const [given, level] of [["warnning", "warn"], ["fatal", "error"], ["debug", "debug"]]) {
    assert.equal(conf(`global = { log_level = "${given}"; };`).global.log_level, level);
  }
});

Deno.test("loadConfig warns of keys that have no effect only where they differ from the default", () => {
  const { warnings } = yaml("global: { pin_path: /sys/fs/bpf/x }\negress: { time_range: 5 }\n");
  assert.deepEqual(warnings, [
    "/c.yaml:1:21: global.pin_path has no effect: nothing is pinned any more",
  ]);
});

Deno.test("loadConfig takes several channels, and wants a broker for kafka and a password for a login", () => {
  const broker = "kafka: { kafka_broker: 'a:9092,b' }\n";
  const several = yaml(`metric: { out_channel: "web_server, kafka,json" }\n${broker}`);
  assert.equal(several.metric.out_channel, "web_server, kafka,json");
  assert.deepEqual(problemsOf(() => yaml("event: { out_channel: kafka }\n")), [
    "/c.yaml:1:23: event.out_channel names kafka, but kafka.kafka_broker is empty; allowed: kafka with a broker",
  ]);
  assert.deepEqual(problemsOf(() => yaml("kafka: { sasl_mechanism: plain, cert_file: /c }\n")), [
    "/c.yaml:1:26: kafka.sasl_mechanism without sasl_username; allowed: both",
    "/c.yaml:1:26: kafka.sasl_mechanism without sasl_password; allowed: both",
    "/c.yaml:1:44: kafka.cert_file without key_file; allowed: both",
  ]);
});

Deno.test("loadConfig lets the environment override the file, GOPHER_HOST_PATH only where unset", () => {
  const text = "global: { root: /mine, log_level: debug }\nweb_server: { port: 8000 }\n";
  const config = yaml(text, {
    GOPHER_LOG_LEVEL: "warn",
    GOPHER_METRIC_ADDR: "::1",
    GOPHER_METRIC_PORT: "9100",
    GOPHER_HOST_PATH: "/host",
    GOPHER_KAKFA_SERVER: "broker",
    GOPHER_EVENT_CHANNEL: "",
    GOPHER_PROBES_INIT: "tcp {}",
    GOPHER_UNRELATED: "x",
  });
  assert.deepEqual([config.global.root, config.global.log_level], ["/mine", "warn"]);
  assert.deepEqual([config.web_server.bind_addr, config.web_server.port], ["::1", 9100]);
  assert.equal(config.kafka.kafka_broker, "broker:9092");
  assert.equal(config.event.out_channel, "logs");
  assert.deepEqual(config.warnings, [
    "environment variable GOPHER_PROBES_INIT: has no effect: no control of probes at run time yet",
  ]);
  assert.equal(yaml("", { GOPHER_HOST_PATH: "/host" }).global.root, "/host");
});

Deno.test("loadConfig checks the environment like the file", () => {
  const environment = {
    GOPHER_METRIC_PORT: "70000",
    GOPHER_REST_AUTH: "maybe",
    GOPHER_REST_PORT: "1e4",
  };
  assert.deepEqual(problemsOf(() => yaml("", environment)), [
    `environment variable GOPHER_METRIC_PORT: web_server.port is "70000"; allowed: ${PORT}`,
    `environment variable GOPHER_REST_PORT: rest_api_server.port is "1e4"; allowed: ${PORT}`,
    'environment variable GOPHER_REST_AUTH: rest_api_server.ssl_auth is "maybe"; allowed: yes or no',
  ]);
  const withKeys = yaml("", {
    GOPHER_REST_AUTH: "yes",
    GOPHER_REST_PRIVATE_KEY: "/k.pem",
    GOPHER_REST_CERT: "/c.pem",
  });
  assert.equal(withKeys.rest_api_server.ssl_auth, "on");
  assert.match(
    problemsOf(() => yaml("", { GOPHER_REST_AUTH: "yes" })).join(),
    /without private_key/,
  );
});

Deno.test("loadConfig finds the file in a folder, and says which are wanted or too many", () => {
  const yamlFile = "/etc/gala-gopher/gala-gopher.yaml";
  const confFile = "/etc/gala-gopher/gala-gopher.conf";
  const load = (path: string | undefined, names: string[]) =>
    loadConfig(
      path,
      KNOWN,
      {},
      filesOf(Object.fromEntries(names.map((name) => [name, ""]))),
    );
  assert.equal(load(undefined, [yamlFile]).origin, yamlFile);
  assert.equal(load("/etc/gala-gopher/", [confFile]).origin, confFile);
  assert.equal(load(undefined, ["/etc/gala-gopher/probes.init"]).origin, undefined);
  assert.deepEqual(problemsOf(() => load(undefined, [yamlFile, confFile])), [
    "/etc/gala-gopher: both gala-gopher.yaml and gala-gopher.conf are here; allowed: one",
  ]);
  assert.deepEqual(problemsOf(() => load("/a", ["/a/other.yaml"])), [
    "/a: no configuration in this folder; allowed: gala-gopher.yaml or gala-gopher.conf",
  ]);
  assert.deepEqual(problemsOf(() => load("/a", [])), ["/a: no such file or folder"]);
});

Deno.test("loadConfig bounds size, depth and the number of problems it names", () => {
  assert.deepEqual(problemsOf(() => loadConfig("/dev/zero", KNOWN)), [
    "/dev/zero: file is too large; allowed: up to 262144 bytes",
  ]);
  for (const unit of ["[", "{a: ", "- "]) {
    for (const count of [40, 20000]) {
      const said = problemsOf(() => yaml(`a: ${unit === "- " ? "\n" : ""}${unit.repeat(count)}`));
      assert.ok(said.length > 0 && said.length <= 51, `${said.length}`);
    }
  }
  assert.match(
    problemsOf(() => yaml(`a: ${"[".repeat(40)}${"]".repeat(40)}`)).join(),
    /too deeply/,
  );
  const many = Array.from({ length: 70 }, (_, index) => `key${index}: 1`).join("\n");
  assert.equal(problemsOf(() => yaml(many)).at(-1), "/c.yaml: 20 more problems");
});

Deno.test("loadConfig lets only ConfigProblems escape from 500 mutations of a YAML file", () => {
  const text = Deno.readTextFileSync(new URL("../../conf/gala-gopher.yaml", import.meta.url))
    .replace(/^ *#.*\n/gm, "");
  const pieces = [
    "\t",
    ":",
    "-",
    "[",
    "{",
    "&a ",
    "*a",
    "!x ",
    "|",
    ">",
    "'",
    '"',
    "? ",
    "<<: ",
    "%",
    "@",
  ];
  let [state, refused] = [7, 0];
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let round = 0; round < 500; round++) {
    const at = random(text.length);
    const piece = pieces[random(pieces.length)]!;
    const mutated = text.slice(0, at) + piece + text.slice(at + random(4));
    if (problemsOf(() => yaml(mutated)).length > 0) refused++;
  }
  assert.ok(refused > 200, `${refused} refused: mutations are too weak`);
});
