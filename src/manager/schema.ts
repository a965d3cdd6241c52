// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Every key of the configuration, said once: its type, default, bounds and meaning. The types of the
 * program, the check of a file and `conf/gala-gopher.yaml` follow from it. It is one table, hence its length.
 */
import type { Place } from "../core/errors.ts";
import type { Threshold } from "../core/event.ts";
import type { AnyProbe } from "../core/probe.ts";
import {
  ABSOLUTE_PATH,
  ADDRESS,
  BROKERS,
  FILE_NAME,
  HEADERS,
  HTTP_URL,
  NAME,
  NOT_EMPTY,
  OPTIONAL_PATH,
  TOPIC,
} from "../core/setting_format.ts";
import {
  booleanKey,
  choiceKey,
  flagKey,
  joinChoices,
  numberKey,
  textKey,
} from "../core/setting_key.ts";
import type {
  AnyKey,
  Keys,
  MapKey,
  NumberKey,
  Scalar,
  TextKey,
  ValuesOf,
} from "../core/setting_key.ts";
import { LOG_LEVELS } from "./log.ts";

const NO_CONTROL = "no control server yet";

/** The channels that an `out_channel` names. */
export function channelsOf(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  return [...new Set(names)].filter((name) => name !== "");
}

/** One or several of these, with "," between; none is off. */
function channels(
  choices: readonly string[],
  value: string,
  help: string,
  more: Partial<TextKey> = {},
): TextKey {
  const allowed = `${joinChoices(choices)}, several with "," between, or ""`;
  const accepts = (text: string) =>
    text === "" || channelsOf(text).every((name) => choices.includes(name));
  return textKey(value, `${help} "" is off.`, { format: { accepts, allowed }, ...more });
}
const path = (help: string, more: Partial<TextKey> = {}): TextKey => (
  textKey("", help, { format: OPTIONAL_PATH, ...more })
);
const folder = (value: string, help: string, more: Partial<TextKey> = {}): TextKey => (
  textKey(value, help, { format: ABSOLUTE_PATH, ...more })
);
const port = (value: number, help: string, more: Partial<NumberKey>): NumberKey => (
  numberKey(value, [1024, 65535], help, more)
);

export const SECTIONS = {
  global: {
    help: "The program itself.",
    keys: {
      log_file_name: textKey(
        "",
        'File in logs.debug_dir for the program\'s own log; "" writes it to standard error.',
        { format: FILE_NAME },
      ),
      log_level: choiceKey(
        LOG_LEVELS,
        "info",
        "Messages below this level are left out.",
        { aliases: { warnning: "warn", fatal: "error" }, env: ["GOPHER_LOG_LEVEL"] },
      ),
      log_max_size: numberKey(
        100,
        [1, 1024],
        "Size at which the log file is put aside; one former file is kept.",
        { unit: "MB" },
      ),
      pin_path: folder("/sys/fs/bpf/probe", "Folder for pinned BPF maps of the original.", {
        note: "nothing is pinned any more",
      }),
      rest_api_on: booleanKey(true, "Whether the control server of rest_api_server runs.", {
        note: NO_CONTROL,
      }),
      root: path("Folder under which the host's / is mounted, where /proc and /sys are read.", {
        env: ["GOPHER_HOST_PATH"],
      }),
      btf_path: path('Kernel BTF file; "" is /sys/kernel/btf/vmlinux.'),
      bpf_stats: booleanKey(
        true,
        "Whether the kernel counts runs and run time of all BPF programs while we run.",
      ),
    },
  },
  metric: {
    help: "Where metrics go.",
    keys: {
      out_channel: channels(
        ["web_server", "kafka", "otlp", "json", "logs"],
        "web_server",
        "web_server answers Prometheus; logs writes its text to files in logs.metric_dir, json JSON objects.",
      ),
      kafka_topic: textKey("gala_gopher", "Topic for metrics.", { format: TOPIC }),
    },
  },
  event: {
    help: "Where events (anomalies that probes find) go.",
    keys: {
      out_channel: channels(
        ["logs", "kafka", "otlp"],
        "logs",
        "logs writes files to logs.event_dir.",
        {
          env: ["GOPHER_EVENT_CHANNEL"],
        },
      ),
      kafka_topic: textKey("gala_gopher_event", "Topic for events.", {
        format: TOPIC,
      }),
      timeout: numberKey(
        600,
        [0, 86400],
        "Time for which another event of the same entity is left out.",
        { unit: "s" },
      ),
    },
  },
  meta: {
    help: "Where metadata (descriptions of the tables) goes.",
    keys: {
      out_channel: channels(["logs", "kafka"], "logs", "logs writes files to logs.meta_dir.", {
        env: ["GOPHER_META_CHANNEL"],
      }),
      kafka_topic: textKey("gala_gopher_metadata", "Topic for metadata.", {
        format: TOPIC,
      }),
    },
  },
  ingress: {
    help: "Reading of the native and eBPF probes.",
    keys: {
      interval: numberKey(5, [0.1, 120], "Time between two readings of a probe.", {
        kind: "number",
        unit: "s",
      }),
    },
  },
  egress: {
    help: "Sending to Kafka and files; Prometheus reads when it likes.",
    keys: {
      interval: numberKey(5, [0.1, 120], "Time between two sendings.", {
        kind: "number",
        unit: "s",
      }),
      time_range: numberKey(5, [0, 86400], "The original reads it and does not use it.", {
        unit: "s",
        note: "the original does not use it either",
      }),
    },
  },
  imdb: {
    help: "Limits of the tables in memory.",
    keys: {
      max_tables_num: numberKey(1024, [1, 4096], "Tables in all.", { unit: "tables" }),
      max_records_num: numberKey(
        1024,
        [1, 1_000_000],
        "Rows in one table; further ones are dropped and counted (the original stops at 4096).",
        { unit: "rows" },
      ),
      max_metrics_num: numberKey(64, [1, 128], "Fields in one table.", { unit: "fields" }),
      record_timeout: numberKey(60, [1, 86400], "A row not renewed for this long is gone.", {
        unit: "s",
      }),
    },
  },
  web_server: {
    help: "The HTTP server that Prometheus reads (/metrics).",
    keys: {
      bind_addr: textKey("127.0.0.1", "Address to listen on; 0.0.0.0 is every one.", {
        format: ADDRESS,
        env: ["GOPHER_METRIC_ADDR"],
      }),
      port: port(8888, "Port to listen on.", { env: ["GOPHER_METRIC_PORT"] }),
      ssl_auth: choiceKey(["on", "off"], "off", "on serves HTTPS with private_key and cert_file."),
      private_key: path("PEM file with the server's private key."),
      cert_file: path("PEM file with the server's certificate."),
      ca_file: path("PEM file with the authority whose client certificates are accepted."),
    },
  },
  rest_api_server: {
    help: "The HTTP server for control at run time.",
    keys: {
      bind_addr: textKey("127.0.0.1", "Address to listen on.", {
        format: ADDRESS,
        env: ["GOPHER_REST_ADDR"],
        note: NO_CONTROL,
      }),
      port: port(9999, "Port to listen on.", { env: ["GOPHER_REST_PORT"], note: NO_CONTROL }),
      ssl_auth: choiceKey(["on", "off"], "off", "on serves HTTPS with private_key and cert_file.", {
        env: ["GOPHER_REST_AUTH"],
        note: NO_CONTROL,
      }),
      private_key: path("PEM file with the server's private key.", {
        env: ["GOPHER_REST_PRIVATE_KEY"],
        note: NO_CONTROL,
      }),
      cert_file: path("PEM file with the server's certificate.", {
        env: ["GOPHER_REST_CERT"],
        note: NO_CONTROL,
      }),
      ca_file: path("PEM file with the authority whose client certificates are accepted.", {
        env: ["GOPHER_REST_CAFILE"],
        note: NO_CONTROL,
      }),
    },
  },
  kafka: {
    help: "Kafka, for every out_channel that names kafka.",
    keys: {
      kafka_broker: textKey("", "Brokers to start from; the others are asked for.", {
        format: BROKERS,
        env: ["GOPHER_KAKFA_SERVER", "GOPHER_KAFKA_SERVER"],
      }),
      batch_num_messages: numberKey(10000, [1, 1_000_000], "Messages in one batch at most.", {
        unit: "messages",
      }),
      compression_codec: choiceKey(
        ["none", "gzip", "snappy", "lz4", "zstd"],
        "none",
        "Compression of a batch.",
      ),
      queue_buffering_max_messages: numberKey(
        100_000,
        [1, 10_000_000],
        "Messages of a topic that wait in memory at most.",
        { unit: "messages" },
      ),
      queue_buffering_max_kbytes: numberKey(
        1_048_576,
        [1, 2_147_483_647],
        "Size of the messages of a topic that wait in memory at most.",
        { unit: "kB" },
      ),
      queue_buffering_max_ms: numberKey(
        5,
        [0, 900_000],
        "Time a message waits for a fuller batch.",
        {
          unit: "ms",
        },
      ),
      ssl: choiceKey(["on", "off"], "off", "on speaks TLS with the brokers."),
      ca_file: path('PEM file with the authority of the brokers; "" is the system\'s own.'),
      cert_file: path("PEM file with our certificate, for brokers that want one."),
      key_file: path("PEM file with its private key."),
      sasl_mechanism: choiceKey(
        ["", "plain", "scram-sha-256", "scram-sha-512"],
        "",
        'How we log in; "" is not at all.',
      ),
      sasl_username: textKey("", "User to log in."),
      sasl_password: textKey("", "Password of the user.", { env: ["GOPHER_KAFKA_PASSWORD"] }),
      spool_dir: path("Folder for what waits while the brokers are away; without, it is lost.", {
        default: "/var/lib/gala-gopher/spool",
      }),
      spool_max_size: numberKey(
        256,
        [1, 1_000_000],
        "Size of it at most; then the oldest metrics go first, events last.",
        { unit: "MB" },
      ),
    },
  },
  otlp: {
    help: "OpenTelemetry collectors, for every out_channel that names otlp.",
    keys: {
      endpoint: textKey(
        "http://127.0.0.1:4318",
        "Where OTLP over HTTP is received; /v1/metrics and /v1/logs are added.",
        { format: HTTP_URL, env: ["OTEL_EXPORTER_OTLP_ENDPOINT"] },
      ),
      headers: textKey("", "Headers of each request, as for a login.", {
        format: HEADERS,
        env: ["OTEL_EXPORTER_OTLP_HEADERS"],
      }),
      compression: choiceKey(["gzip", "none"], "gzip", "Compression of a request."),
      timeout: numberKey(10, [1, 600], "Time for a request; then it is tried again.", {
        unit: "s",
      }),
      queue_max_kbytes: numberKey(
        32_768,
        [64, 1_048_576],
        "What waits in memory at most, of metrics and of events each; the oldest goes first.",
        { unit: "kB" },
      ),
      ca_file: path('PEM file with the authority of the collector; "" is the system\'s own.'),
      cert_file: path("PEM file with our certificate, for collectors that want one."),
      key_file: path("PEM file with its private key."),
    },
  },
  external_probes: {
    help: "Third-party probes together; the list extend_probes has each of them.",
    keys: {
      cpu_share: numberKey(
        10,
        [0, 6400],
        "What all of them together may use at most, by cgroup; 0 is no limit.",
        { kind: "number", unit: "% of a core" },
      ),
      check_interval: numberKey(
        60,
        [1, 86400],
        "Time between two start_checks of a probe on auto.",
        {
          kind: "number",
          unit: "s",
        },
      ),
      drop_in: booleanKey(
        false,
        "Whether each probe folder in drop_in_dir runs without an entry in extend_probes.",
      ),
      drop_in_dir: folder(
        "/etc/gala-gopher/probes",
        "Folder of probe folders; it and all in it must belong to root, or to whom the agent runs as.",
      ),
      drop_in_interval: numberKey(10, [0.1, 3600], "Time between two looks at drop_in_dir.", {
        kind: "number",
        unit: "s",
      }),
      meta_dir: folder(
        "/opt/gala-gopher/meta",
        "Folder of .meta files for probes that have none beside them.",
      ),
    },
  },
  logs: {
    help: "Folders and sizes of what is written to files.",
    keys: {
      metric_total_size: numberKey(100, [1, 1024], "Size of the metric files together.", {
        unit: "MB",
        env: ["GOPHER_METRIC_LOGS_TOTAL_SIZE"],
      }),
      metric_dir: folder("/var/log/gala-gopher/metrics", "Folder of the metric files.", {}),
      event_dir: folder("/var/log/gala-gopher/event", "Folder of the event files.", {}),
      meta_dir: folder("/var/log/gala-gopher/meta", "Folder of the metadata files.", {}),
      debug_dir: folder("/var/log/gala-gopher/debug", "Folder of the program's own log."),
    },
  },
} as const satisfies Record<string, { help: string; keys: Keys }>;

const SWITCH = choiceKey(["on", "off"], "on", "Whether it runs.");
const ANY: AnyKey = { kind: "any", default: "", help: "A setting." };

const TABLES: MapKey<"on" | "off"> = {
  kind: "map",
  default: {},
  values: SWITCH,
  help:
    "Tables to leave out (off), and those to add that are off by themselves (on): docs/metrics.md.",
};
const SETTINGS: MapKey<Scalar> = {
  kind: "map",
  default: {},
  values: ANY,
  help: "Settings of the probe's own, and those of its events (docs/outputs.md).",
};

/** One entry of `probes`. */
export const PROBE_KEYS = {
  name: textKey("", "Name of a probe of this program.", { required: true, format: NAME }),
  switch: SWITCH,
  param: textKey("", "Arguments in the original's form, as -t 5."),
  tables: TABLES,
  settings: SETTINGS,
} as const satisfies Keys;

/** One entry of `extend_probes`. */
export const EXTEND_PROBE_KEYS = {
  name: textKey("", "Name of the probe, of your choice.", { required: true, format: NAME }),
  command: textKey(
    "",
    "Program that prints rows as |table|a|b|, with arguments; no shell runs it.",
    {
      required: true,
      format: NOT_EMPTY,
    },
  ),
  param: textKey("", "Further arguments."),
  switch: choiceKey(
    ["on", "off", "auto"],
    "on",
    "Whether it runs; auto asks start_check, again and again.",
  ),
  start_check: textKey("", "Shell command for auto: runs the probe if its first line is above 0."),
  check_type: choiceKey(["count"], "count", "How start_check is judged."),
  meta: textKey(
    "",
    'The .meta or .meta.yaml file of its tables; "" takes those beside the program.',
  ),
  short_lines: choiceKey(
    ["auto", "refuse", "accept"],
    "auto",
    "Lines with fewer fields than the meta; auto accepts them from probes of a gala-gopher.conf.",
  ),
  settings: { ...SETTINGS, help: "Parameters, which it reads from its stdin as a line of JSON." },
  environment: { ...SETTINGS, help: "Variables for its environment, which is clean otherwise." },
  user: textKey("", 'Name or number of whom it runs as; "" is whom the agent runs as.'),
  nice: numberKey(0, [0, 19], "How much it gives way to other processes."),
  cpu_limit: numberKey(
    0,
    [0, 6400],
    "What it may use at most, by cgroup; 0 is no limit of its own.",
    {
      kind: "number",
      unit: "% of a core",
    },
  ),
  memory_limit: numberKey(0, [0, 1_000_000], "What it may use at most, by cgroup; 0 is no limit.", {
    unit: "MB",
  }),
  working_dir: path('Folder in which it runs; "" is that of the configuration file.'),
  hung_after: numberKey(
    0,
    [0, 86400],
    "Time without a line after which it is taken to hang, and restarted; 0 is never.",
    { kind: "number", unit: "s" },
  ),
} as const satisfies Keys;

/** What may stand in `settings` of every probe: when its metrics are events. */
export const EVENT_SETTINGS = {
  report_event: flagKey("Whether it reports events."),
  latency_thr: numberKey(0, [0, 100_000], "A latency above it is an event, 0 never.", {
    unit: "ms",
  }),
  jitter_thr: numberKey(0, [0, 100_000], "A change of a latency above it is an event, 0 never.", {
    unit: "ms",
  }),
  drops_thr: numberKey(0, [0, 100_000], "More drops or errors in a period are an event, 0 never.", {
    unit: "packets",
  }),
  res_upper_thr: numberKey(0, [0, 100], "A use above it is an event, 0 never.", { unit: "%" }),
  res_lower_thr: numberKey(0, [0, 100], "A use below it is an event, 0 never.", { unit: "%" }),
} satisfies Keys & Record<Threshold, NumberKey>;

export const LISTS = {
  probes: {
    help: "Probes of this program, native and eBPF; without this list, those run that are on here.",
    keys: PROBE_KEYS,
  },
  extend_probes: {
    help: "Third-party probes: programs in any language that print rows.",
    keys: EXTEND_PROBE_KEYS,
  },
} as const;

/** What the configuration must know of a probe of this program. */
export type KnownProbe = Pick<AnyProbe, "name" | "on" | "partOf" | "settings">;

export type Sections = {
  readonly [Name in keyof typeof SECTIONS]: ValuesOf<(typeof SECTIONS)[Name]["keys"]>;
};

/** An entry of `probes`, with where it stands: only the manager knows which names exist. */
export type ProbeConfig = ValuesOf<typeof PROBE_KEYS> & { readonly place: Place };
export type ExtendProbeConfig = ValuesOf<typeof EXTEND_PROBE_KEYS> & { readonly place: Place };

export interface Config extends Sections {
  readonly probes: readonly ProbeConfig[];
  readonly extend_probes: readonly ExtendProbeConfig[];
  /** The file it came from; undefined for the built-in defaults. */
  readonly origin: string | undefined;
  /** What was accepted but changes nothing, a line each, with its place. */
  readonly warnings: readonly string[];
}
