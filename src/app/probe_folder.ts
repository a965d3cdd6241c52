// SPDX-License-Identifier: MulanPSL-2.0
/** A folder with a third-party probe: a program, its meta files and, if it wants more, a probe.yaml. */
import { basename } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { META_REGEXP } from "../ingest/meta.ts";
import { checkExtendProbe } from "../manager/config_check.ts";
import { Findings } from "../manager/config_findings.ts";
import { HOST_FILES, readConfigText } from "../manager/config_file.ts";
import { NAME } from "../core/setting_format.ts";
import { EMPTY_GROUP } from "../core/setting_tree.ts";
import type { ExtendProbeConfig } from "../manager/schema.ts";
import { parseYamlTree } from "../manager/yaml_tree.ts";

/** Says of the probe what an entry of `extend_probes` does; every key is optional. */
export const PROBE_FILE = "probe.yaml";

const ANY_EXECUTE_BIT = 0o111;
const OTHERS_WRITE_BITS = 0o022;
const MAX_FILES = 1000;

/** Reads the folder. Throws ConfigError with all that is wrong in probe.yaml, or with what is missing. */
export function readProbeFolder(folder: string): ExtendProbeConfig {
  const name = basename(folder);
  const file = `${folder}/${PROBE_FILE}`;
  const findings = new Findings(file);
  const root = HOST_FILES.kindOf(file) === "file"
    ? parseYamlTree(readConfigText(file, HOST_FILES), file)
    : EMPTY_GROUP;
  if (!root.entries.has("name") && !NAME.accepts(name)) {
    throw new ConfigError(`folder "${name}"`, { file: folder }, NAME.allowed);
  }
  const command = root.entries.has("command") ? "" : `'${programOf(folder, name)}'`;
  return checkExtendProbe(root, { name, command }, findings);
}

/** The program is called as the folder, but for an extension, or it is the only one. */
function programOf(folder: string, name: string): string {
  const programs = filesOf(folder).filter((file) => {
    const { isFile, mode } = Deno.statSync(`${folder}/${file}`);
    return isFile && ((mode ?? 0) & ANY_EXECUTE_BIT) !== 0 && !META_REGEXP.test(file);
  });
  const own = programs.filter((file) => file.replace(/\.[^.]*$/, "") === name);
  const [program, ...others] = own.length > 0 ? own : programs;
  if (program !== undefined && others.length === 0) return `./${program}`;
  const problem = program === undefined
    ? "no executable program in the folder"
    : `several programs: ${[program, ...others].join(", ")}`;
  throw new ConfigError(
    problem,
    { file: folder },
    `one called ${name} or ${name}.*, or "command" in ${PROBE_FILE}`,
  );
}

/** Names of the files in the folder; a quote in one would end the quotes of a command. */
export function filesOf(folder: string): string[] {
  const names = [...Deno.readDirSync(folder)].filter((entry) => !entry.isDirectory)
    .map(({ name }) => name).filter((name) => !name.includes("'")).sort();
  if (names.length <= MAX_FILES) return names;
  throw new ConfigError(`${names.length} files`, { file: folder }, `up to ${MAX_FILES}`);
}

/** What runs with our rights must be in the hands of those who have them. Throws ConfigError. */
export function demandOwned(path: string): void {
  const { uid, mode } = Deno.statSync(path);
  const us = Deno.uid();
  if (uid !== 0 && uid !== us) {
    throw new ConfigError(`belongs to user ${uid}`, { file: path }, `root, or user ${us}`);
  }
  if (((mode ?? 0) & OTHERS_WRITE_BITS) !== 0) {
    throw new ConfigError("others may write it", { file: path }, "chmod go-w");
  }
}
