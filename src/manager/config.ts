// SPDX-License-Identifier: MulanPSL-2.0
/** The configuration: YAML or the original's libconfig file, and the environment, to typed values. */
import { ConfigError } from "../core/errors.ts";
import { parseLibconfig } from "../core/libconfig.ts";
import { EMPTY_GROUP, type SettingGroup } from "../core/setting_tree.ts";
import { buildConfig, BUILT_IN, checkTogether } from "./config_build.ts";
import { checkSettings } from "./config_check.ts";
import { applyEnvironment, type Environment } from "./config_environment.ts";
import { type ConfigFiles, HOST_FILES, locateConfig, readConfigText } from "./config_file.ts";
import { ConfigProblems, Findings } from "./config_findings.ts";
import { replaceOriginalProbes } from "./config_original.ts";
import type { Config, KnownProbe } from "./schema.ts";
import { parseYaml } from "./yaml_tree.ts";

/**
 * Reads the file or folder at `path`, else /etc/gala-gopher, else nothing but the environment; `known` are the
 * probes of this program. All that is wrong is thrown together, as one ConfigProblems.
 */
export function loadConfig(
  path: string | undefined,
  known: readonly KnownProbe[],
  environment: Environment = {},
  files: ConfigFiles = HOST_FILES,
): Config {
  try {
    const origin = locateConfig(path, files);
    const findings = new Findings(origin ?? BUILT_IN);
    const root = origin === undefined ? EMPTY_GROUP : parseFile(origin, files, findings);
    findings.throwIfAny();
    const draft = replaceOriginalProbes(checkSettings(root, known, findings), known, findings);
    applyEnvironment(draft.given, environment, findings);
    checkTogether(draft, findings);
    findings.throwIfAny();
    return buildConfig(draft, origin, known, findings);
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigProblems([error]) : error;
  }
}

function parseFile(file: string, files: ConfigFiles, findings: Findings): SettingGroup {
  const text = readConfigText(file, files);
  return /\.(conf|cfg)$/.test(file) ? parseLibconfig(text, file) : parseYaml(text, findings);
}
