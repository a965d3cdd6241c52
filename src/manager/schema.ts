// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Every key of the configuration, said once: its type, default, bounds and meaning. The types of the
 * program, the check of a file and `conf/gala-gopher.yaml` follow from it. It is one table, hence its length.
 */
import type { Place } from "../core/errors.ts";
import {
  ABSOLUTE_PATH,
  ADDRESS,
  BROKERS,
  FILE_NAME,
  NAME,
  NOT_EMPTY,
  OPTIONAL_PATH,
  TOPIC,
} from "./schema_format.ts";
import type {
  AnyKey,
  BooleanKey,
  ChoiceKey,
  Keys,
  MapKey,
  NumberKey,
  Scalar,
  TextKey,
  ValuesOf,
} from "./schema_key.ts";

const NO_KAFKA = "no output to Kafka yet";
const NO_EVENTS = "no events yet";
const NO_METADATA = "no metadata output yet";
const NO_METRIC_FILES = "no metric files yet";
const NO_CONTROL = "no control server yet";

const text = (value: string, help: string, more: Partial<TextKey> = {}): TextKey => (
  { kind: "text", default: value, help, ...more }
);
const number = (
  value: number,
  [min, max]: [number, number],
  help: string,
  more: Partial<NumberKey> = {},
): NumberKey => ({ kind: "integer", default: value, min, max, help, ...more });
const boolean = (value: boolean, help: string, more: Partial<BooleanKey> = {}): BooleanKey => (
  { kind: "boolean", default: value, help, ...more }
);
function choice<const Choice extends string>(
  choices: readonly Choice[],
  value: NoInfer<Choice>,
  help: string,
  more: Partial<ChoiceKey<NoInfer<Choice>>> = {},
): ChoiceKey<Choice> {
  return { kind: "choice", choices, default: value, help, ...more };
}
const path = (help: string, more: Partial<TextKey> = {}): TextKey => (
  text("", help, { format: OPTIONAL_PATH, ...more })
);
const folder = (value: string, help: string, more: Partial<TextKey> = {}): TextKey => (
  text(value, help, { format: ABSOLUTE_PATH, ...more })
);
const port = (value: number, help: string, more: Partial<NumberKey>): NumberKey => (
  number(value, [1024, 65535], help, more)
);

export const SECTIONS = {
  global: {
    help: "The program itself.",
    keys: {
      log_file_name: text(
        "",
        'File in logs.debug_dir for the program\'s own log; "" writes it to standard error.',
        { format: FILE_NAME },
      ),
      log_level: choice(
        ["debug", "info", "warn", "error"],
        "info",
        "Messages below this level are left out.",
        { aliases: { warnning: "warn", fatal: "error" }, env: ["GOPHER_LOG_LEVEL"] },
      ),
      log_max_size: number(
        100,
        [1, 1024],
        "Size at which the log file is put aside; one former file is kept.",
        { unit: "MB" },
      ),
      pin_path: folder("/sys/fs/bpf/probe", "Folder for pinned BPF maps of the original.", {
        note: "nothing is pinned any more",
      }),
      rest_api_on: boolean(true, "Whether the control server of rest_api_server runs.", {
        note: NO_CONTROL,
      }),
      root: path("Folder under which the host's / is mounted, where /proc and /sys are read.", {
        env: ["GOPHER_HOST_PATH"],
      }),
      btf_path: path('Kernel BTF file; "" is /sys/kernel/btf/vmlinux.'),
      bpf_stats: boolean(
        true,
        "Whether the kernel counts runs and run time of all BPF programs while we run.",
      ),
    },
  },
  metric: {
    help: "Where metrics go.",
    keys: {
      out_channel: choice(
        ["web_server", "kafka", "json", "logs", ""],
        "web_server",
        'web_server answers Prometheus; json and logs write files to logs.metric_dir; "" is off.',
        { pending: ["kafka", "json", "logs"] },
      ),
      kafka_topic: text("gala_gopher", "Topic for metrics.", { format: TOPIC, note: NO_KAFKA }),
    },
  },
  event: {
    help: "Where events (anomalies that probes find) go.",
    keys: {
      out_channel: choice(
        ["logs", "kafka", ""],
        "logs",
        'logs writes files to logs.event_dir; "" is off.',
        { env: ["GOPHER_EVENT_CHANNEL"], note: NO_EVENTS },
      ),
      kafka_topic: text("gala_gopher_event", "Topic for events.", {
        format: TOPIC,
        note: NO_EVENTS,
      }),
      timeout: number(
        600,
        [0, 86400],
        "Time for which another event of the same entity is left out.",
        { unit: "s", note: NO_EVENTS },
      ),
    },
  },
  meta: {
    help: "Where metadata (descriptions of the tables) goes.",
    keys: {
      out_channel: choice(
        ["logs", "kafka", ""],
        "logs",
        'logs writes files to logs.meta_dir; "" is off.',
        { env: ["GOPHER_META_CHANNEL"], note: NO_METADATA },
      ),
      kafka_topic: text("gala_gopher_metadata", "Topic for metadata.", {
        format: TOPIC,
        note: NO_METADATA,
      }),
    },
  },
  ingress: {
    help: "Reading of the native and eBPF probes.",
    keys: {
      interval: number(5, [0.1, 120], "Time between two readings of a probe.", {
        kind: "number",
        unit: "s",
      }),
    },
  },
  egress: {
    help: "Sending to Kafka and files; Prometheus reads when it likes.",
    keys: {
      interval: number(5, [0.1, 120], "Time between two sendings.", {
        kind: "number",
        unit: "s",
        note: "nothing is sent yet",
      }),
      time_range: number(5, [0, 86400], "The original reads it and does not use it.", {
        unit: "s",
        note: "the original does not use it either",
      }),
    },
  },
  imdb: {
    help: "Limits of the tables in memory.",
    keys: {
      max_tables_num: number(1024, [1, 4096], "Tables in all.", { unit: "tables" }),
      max_records_num: number(
        1024,
        [1, 1_000_000],
        "Rows in one table; further ones are dropped and counted (the original stops at 4096).",
        { unit: "rows" },
      ),
      max_metrics_num: number(64, [1, 128], "Fields in one table.", { unit: "fields" }),
      record_timeout: number(60, [1, 86400], "A row not renewed for this long is gone.", {
        unit: "s",
      }),
    },
  },
  web_server: {
    help: "The HTTP server that Prometheus reads (/metrics).",
    keys: {
      bind_addr: text("127.0.0.1", "Address to listen on; 0.0.0.0 is every one.", {
        format: ADDRESS,
        env: ["GOPHER_METRIC_ADDR"],
      }),
      port: port(8888, "Port to listen on.", { env: ["GOPHER_METRIC_PORT"] }),
      ssl_auth: choice(["on", "off"], "off", "on serves HTTPS with private_key and cert_file."),
      private_key: path("PEM file with the server's private key."),
      cert_file: path("PEM file with the server's certificate."),
      ca_file: path("PEM file with the authority whose client certificates are accepted."),
    },
  },
  rest_api_server: {
    help: "The HTTP server for control at run time.",
    keys: {
      bind_addr: text("127.0.0.1", "Address to listen on.", {
        format: ADDRESS,
        env: ["GOPHER_REST_ADDR"],
        note: NO_CONTROL,
      }),
      port: port(9999, "Port to listen on.", { env: ["GOPHER_REST_PORT"], note: NO_CONTROL }),
      ssl_auth: choice(["on", "off"], "off", "on serves HTTPS with private_key and cert_file.", {
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
    help: "Kafka, for every out_channel that is kafka.",
    keys: {
      kafka_broker: text("", "Broker to start from.", {
        format: BROKERS,
        env: ["GOPHER_KAKFA_SERVER", "GOPHER_KAFKA_SERVER"],
        note: NO_KAFKA,
      }),
      batch_num_messages: number(10000, [1, 1_000_000], "Messages in one batch at most.", {
        unit: "messages",
        note: NO_KAFKA,
      }),
      compression_codec: choice(
        ["none", "gzip", "snappy", "lz4", "zstd"],
        "none",
        "Compression of a batch.",
        { note: NO_KAFKA },
      ),
      queue_buffering_max_messages: number(
        100_000,
        [1, 10_000_000],
        "Messages that wait at most.",
        { unit: "messages", note: NO_KAFKA },
      ),
      queue_buffering_max_kbytes: number(
        1_048_576,
        [1, 2_147_483_647],
        "Size of the waiting messages at most.",
        { unit: "kB", note: NO_KAFKA },
      ),
      queue_buffering_max_ms: number(5, [0, 900_000], "Time a message waits for a fuller batch.", {
        unit: "ms",
        note: NO_KAFKA,
      }),
    },
  },
  logs: {
    help: "Folders and sizes of what is written to files.",
    keys: {
      metric_total_size: number(100, [1, 1024], "Size of the metric files together.", {
        unit: "MB",
        env: ["GOPHER_METRIC_LOGS_TOTAL_SIZE"],
        note: NO_METRIC_FILES,
      }),
      metric_dir: folder("/var/log/gala-gopher/metrics", "Folder of the metric files.", {
        note: NO_METRIC_FILES,
      }),
      event_dir: folder("/var/log/gala-gopher/event", "Folder of the event files.", {
        note: NO_EVENTS,
      }),
      meta_dir: folder("/var/log/gala-gopher/meta", "Folder of the metadata files.", {
        note: NO_METADATA,
      }),
      debug_dir: folder("/var/log/gala-gopher/debug", "Folder of the program's own log."),
    },
  },
} as const satisfies Record<string, { help: string; keys: Keys }>;

const SWITCH = choice(["on", "off"], "on", "Whether it runs.");
const ANY: AnyKey = { kind: "any", default: "", help: "A setting." };

const TABLES: MapKey<"on" | "off"> = {
  kind: "map",
  default: {},
  values: SWITCH,
  help: "Tables to leave out (off), and those to add that are off by themselves (on).",
};
const SETTINGS: MapKey<Scalar> = {
  kind: "map",
  default: {},
  values: ANY,
  help: "Settings of the probe's own.",
};

/** One entry of `probes`. */
export const PROBE_KEYS = {
  name: text("", "Name of a probe of this program.", { required: true, format: NAME }),
  switch: SWITCH,
  param: text("", "Arguments in the original's form, as -t 5."),
  tables: TABLES,
  settings: SETTINGS,
} as const satisfies Keys;

/** One entry of `extend_probes`. */
export const EXTEND_PROBE_KEYS = {
  name: text("", "Name of the probe, of your choice.", { required: true, format: NAME }),
  command: text("", "Program that prints rows as |table|a|b|, with arguments; no shell runs it.", {
    required: true,
    format: NOT_EMPTY,
  }),
  param: text("", "Further arguments."),
  switch: choice(
    ["on", "off", "auto"],
    "on",
    "Whether it runs; auto asks start_check once at start.",
  ),
  start_check: text("", "Shell command for auto: runs the probe if its first line is above 0."),
  check_type: choice(["count"], "count", "How start_check is judged."),
  meta: text("", 'The .meta file of its tables; "" takes those beside the command.'),
} as const satisfies Keys;

export const LISTS = {
  probes: {
    help: "Probes of this program, native and eBPF; without this list, those shown here run.",
    keys: PROBE_KEYS,
  },
  extend_probes: {
    help: "Third-party probes: programs in any language that print rows.",
    keys: EXTEND_PROBE_KEYS,
  },
} as const;

/** What runs where no list says otherwise. */
export const DEFAULT_PROBES = [
  "container",
  "system_cpu",
  "endpoint",
  "io",
  "kill",
  "oom",
  "system_disk",
  "system_files",
  "system_fs",
  "system_host",
  "system_load",
  "system_meminfo",
  "system_net",
  "system_nic",
  "system_pressure",
  "system_protocols",
  "system_sockets",
  "system_vmstat",
  "task",
  "tcp",
] as const;

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
