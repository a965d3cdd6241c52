// SPDX-License-Identifier: MulanPSL-2.0
/** The command line: which command, its options, and what each way to end means as an exit code. */
import { parseArgs } from "node:util";
import { AddressInUse } from "../egress/http_listener.ts";
import { loadConfig } from "../manager/config.ts";
import { BUILT_IN } from "../manager/config_build.ts";
import { ConfigProblems } from "../manager/config_findings.ts";
import { ConfigError, stackOf } from "../core/errors.ts";
import { portHolder } from "../sys/port_holder.ts";
import { writeWhole } from "../sys/write_whole.ts";
import { ServiceNotice } from "../sys/service_notice.ts";
import { Agent } from "./agent.ts";
import { doctor } from "./doctor.ts";
import { buildVersion } from "./embedded.ts";
import { KNOWN_PROBES } from "./known_probes.ts";
import type { EndSignals } from "./end_signals.ts";
import { describeTables } from "./meta.ts";
import { Reloads } from "./reload.ts";
import { UsageError } from "./usage_error.ts";

const EXIT = { stopped: 0, internal: 1, usage: 2, addressInUse: 3 } as const;

const HELP =
  `gala-gopher observes this host with eBPF, /proc and external probes, and serves the metrics.

  gala-gopher [-c PATH]                  run; PATH is a file or a folder with gala-gopher.yaml or gala-gopher.conf
  gala-gopher check [-c PATH]            say what is wrong in the configuration
  gala-gopher doctor [-c PATH] [--json]  say which probes run on this host, and why others do not
  gala-gopher meta [--json]              list all tables with their metrics
  gala-gopher probe new NAME --lang LANG write a third-party probe to start from: sh, python, java, go or c
  gala-gopher probe test DIR [--seconds N] run the third-party probe in DIR alone, and say what is wrong with it
  gala-gopher --version | --help

SIGHUP makes a running gala-gopher read its probes from the configuration again, and open its log files anew.
Without -c: /etc/gala-gopher if it has a configuration, else built-in defaults. An empty file means the defaults.
Exit codes: 0 stopped by a signal, or all is well; 1 internal failure; 2 bad configuration or usage; 3 port in use.
`;

/** All but `run`: a signal ends them at once. */
const COMMANDS: Readonly<Record<string, (options: Options) => Promise<number>>> = {
  check: (options) => {
    const config = load(options);
    new Agent(config)[Symbol.dispose]();
    for (const warning of config.warnings) print(warning);
    print(`${config.origin ?? BUILT_IN}: no mistakes`);
    return Promise.resolve(EXIT.stopped);
  },
  doctor: async (options) => {
    print(await doctor(load(options), options.json));
    return EXIT.stopped;
  },
  meta: (options) => {
    print(describeTables(options.json));
    return Promise.resolve(EXIT.stopped);
  },
  probe: async ({ words, lang, seconds }) => {
    const { probeCommand } = await import("./probe_command.ts"); // an agent needs it not
    const well = await probeCommand({ words, lang, seconds, print });
    return well ? EXIT.stopped : EXIT.internal;
  },
};

const RUN = "run";
const STDOUT = 1;
const STDERR = 2;

/** Commands that take more words. */
const WORDY: readonly string[] = ["probe"];
/** As long as a person may want to look at a probe. */
const MAX_SECONDS = 86_400;

interface Options {
  readonly config: string | undefined;
  readonly json: boolean;
  /** What stands after the command. */
  readonly words: readonly string[];
  readonly lang: string;
  readonly seconds: number;
}

/** Runs the command line and gives the exit code. */
export async function runCommandLine(
  args: readonly string[],
  signals: EndSignals,
): Promise<number> {
  try {
    return await dispatch(args, signals);
  } catch (error) {
    return explain(error);
  }
}

function dispatch(args: readonly string[], signals: EndSignals): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: "string", short: "c" },
      config_path: { type: "string" }, // the original's name
      json: { type: "boolean", default: false },
      lang: { type: "string", default: "sh" },
      seconds: { type: "string", default: "10" },
      help: { type: "boolean", short: "h", default: false },
      version: { type: "boolean", short: "v", default: false },
    },
  });
  if (values.help) print(HELP);
  else if (values.version) print(`gala-gopher ${buildVersion()}`);
  if (values.help || values.version) return Promise.resolve(EXIT.stopped);
  const [name = RUN, ...rest] = positionals;
  const command = commandOf(name, signals);
  if (command === undefined || (rest.length > 0 && !WORDY.includes(name))) {
    const names = Object.keys(COMMANDS).join(", ");
    throw new UsageError(`unknown command "${[...positionals].join(" ")}"; there are: ${names}`);
  }
  const seconds = Number(values.seconds);
  if (!(seconds > 0 && seconds <= MAX_SECONDS)) {
    throw new UsageError(`--seconds ${values.seconds}; wanted: a number up to ${MAX_SECONDS}`);
  }
  const config = values.config ?? values.config_path;
  return command({ config, json: values.json, words: rest, lang: values.lang, seconds });
}

function commandOf(name: string, signals: EndSignals) {
  if (name === RUN) return (options: Options) => run(options, signals);
  signals.ignore();
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
}

function load({ config }: Options) {
  return loadConfig(config, KNOWN_PROBES, Deno.env.toObject());
}

/** Runs until SIGINT or SIGTERM. */
async function run(options: Options, { asked, came }: EndSignals): Promise<number> {
  // A closed terminal does not end it, as in the original; log rotation and "systemctl reload" say so too.
  let hungUp = () => {};
  Deno.addSignalListener("SIGHUP", () => hungUp());
  using notice = new ServiceNotice(Deno.env, Deno.pid, complain);
  const agent = new Agent(load(options));
  if (came) return EXIT.stopped;
  try {
    const started = agent.start().then(() => notice.ready(agent.summary()));
    const reloads = new Reloads(async () => {
      await started;
      await agent.reload(() => load(options));
      notice.status(agent.summary());
    });
    hungUp = () => {
      agent.reopenFiles();
      reloads.ask().catch(() => {}); // only the start fails, which is told below
    };
    const failed = started.then(() => asked);
    const reason = await Promise.race([asked, failed]);
    notice.stopping();
    await agent.stop(reason);
  } catch (error) {
    await agent.stop("the start failed");
    throw error;
  }
  return EXIT.stopped;
}

function explain(error: unknown): number {
  if (error instanceof ConfigProblems || error instanceof ConfigError) {
    complain(error.message);
    return EXIT.usage;
  }
  if (error instanceof AddressInUse) {
    const holder = portHolder(error.port);
    const who = holder === undefined ? "" : ` by process ${holder.pid} (${holder.command})`;
    complain(`${error.message}${who}`);
    return EXIT.addressInUse;
  }
  if (error instanceof UsageError || isParseError(error)) {
    complain(`${error.message}\nSee gala-gopher --help`);
    return EXIT.usage;
  }
  complain(stackOf(error));
  return EXIT.internal;
}

/** What parseArgs throws for an unknown option. */
function isParseError(error: unknown): error is Error {
  return error instanceof TypeError && "code" in error &&
    String(error.code).startsWith("ERR_PARSE_ARGS");
}

function print(text: string): void {
  writeWhole(STDOUT, text.replace(/\n?$/, "\n"));
}

function complain(text: string): void {
  writeWhole(STDERR, text.replace(/\n?$/, "\n"));
}
