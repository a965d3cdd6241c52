// SPDX-License-Identifier: MulanPSL-2.0
/** `gala-gopher probe test|new`: for people who write third-party probes. */
import { MAX_TABLE_NAME } from "../ingest/meta.ts";
import { LANGUAGES, newProbe } from "./probe_templates.ts";
import { UsageError } from "./usage_error.ts";
import { explainProbe, testProbe } from "./probe_test_run.ts";

export interface ProbeCommandOptions {
  /** The words after `probe`. */
  readonly words: readonly string[];
  readonly lang: string;
  readonly seconds: number;
  readonly print: (line: string) => void;
}

const NAME_REGEXP = /^[a-z][a-z0-9_]*$/;

/** Gives whether all is well. Throws UsageError. */
export async function probeCommand(options: ProbeCommandOptions): Promise<boolean> {
  const [verb, target, ...rest] = options.words;
  if (target === undefined || rest.length > 0 || (verb !== "test" && verb !== "new")) {
    throw new UsageError("wanted: probe test DIR, or probe new NAME --lang LANGUAGE");
  }
  return verb === "test" ? await test(target, options) : create(target, options);
}

async function test(folder: string, { seconds, print }: ProbeCommandOptions): Promise<boolean> {
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const ask = () => resolve();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, ask);
  try {
    return await testProbe({ folder, seconds, print, enough });
  } catch (error) {
    const text = explainProbe(error);
    if (text === undefined) throw error;
    print(`WRONG   ${text}`);
    return false;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, ask);
  }
}

function create(name: string, { lang, print }: ProbeCommandOptions): boolean {
  const languages = Object.keys(LANGUAGES).join(", ");
  if (!Object.hasOwn(LANGUAGES, lang)) {
    throw new UsageError(`no language "${lang}"; there are: ${languages}`);
  }
  if (!NAME_REGEXP.test(name) || name.length > MAX_TABLE_NAME) {
    const wanted = `1 to ${MAX_TABLE_NAME} small letters, digits and "_", a letter first`;
    throw new UsageError(`name "${name}" is also that of a table; wanted: ${wanted}`);
  }
  const { files, build } = newProbe(name, lang);
  try {
    Deno.mkdirSync(name);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UsageError(`cannot make the folder "${name}": ${error.message}`);
  }
  for (const [file, { text, executable }] of Object.entries(files)) {
    Deno.writeTextFileSync(`${name}/${file}`, text, { mode: executable ? 0o755 : 0o644 });
    print(`wrote   ${name}/${file}`);
  }
  if (build !== undefined) print(`build   cd ${name} && ${build}`);
  print(`then    gala-gopher probe test ${name}`);
  return true;
}
