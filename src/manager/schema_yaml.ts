// SPDX-License-Identifier: MulanPSL-2.0
/** Writes `conf/gala-gopher.yaml`: every key with its default, its meaning and what it accepts. */
import { EXTEND_PROBE_KEYS, type KnownProbe, LISTS, PROBE_KEYS, SECTIONS } from "./schema.ts";
import { describeAllowed, type Key, type Keys, type Scalar } from "../core/setting_key.ts";

const HEAD =
  `# Configuration of gala-gopher. Every key is shown with its default; a key that is left out has that
# value, so an empty file is valid. "gala-gopher check -c FILE" says what is wrong in a file.
# A folder given with -c holds this file or the original's gala-gopher.conf, not both.
`;

/** Values that are only an example, because they have no default. */
const EXAMPLE: Readonly<Record<string, Scalar>> = {
  name: "example",
  command: "../probes/example/example.sh",
};

const MAX_COLUMNS = 100;

export function renderDefaultYaml(known: readonly KnownProbe[]): string {
  const sections = Object.entries(SECTIONS).map(([name, { help, keys }]) =>
    `${comment(help, "")}${name}:\n${renderKeys(keys, "  ")}`
  );
  return [HEAD, ...sections, renderProbes(known), renderExtendProbes()].join("\n");
}

function renderKeys(keys: Keys, indent: string): string {
  return Object.entries(keys).map(([name, key]) =>
    `${comment(explain(key), indent)}${indent}${name}: ${renderValue(key.default)}\n`
  ).join("");
}

function renderProbes([first, ...others]: readonly KnownProbe[]): string {
  const { settings, ...keys } = PROBE_KEYS;
  return [
    `${comment(LISTS.probes.help, "")}probes:\n`,
    renderEntry(keys, { ...EXAMPLE, name: first!.name }),
    comment(explain(settings), "    "),
    renderSettings(first!) || "    settings: {}\n",
    ...others.map((probe) =>
      `  - name: ${probe.name}\n    switch: ${probe.on ? "on" : "off"}\n${renderSettings(probe)}`
    ),
  ].join("");
}

function renderSettings({ settings }: KnownProbe): string {
  const text = renderKeys(settings, "      ");
  return text === "" ? "" : `    settings:\n${text}`;
}

function renderExtendProbes(): string {
  const { help } = LISTS.extend_probes;
  return `${comment(help, "")}extend_probes:\n${renderEntry(EXTEND_PROBE_KEYS, EXAMPLE)}`;
}

function renderEntry(keys: Keys, example: Readonly<Record<string, Scalar>>): string {
  const lines = Object.entries(keys).map(([name, key], index) => {
    const value = renderValue(example[name] ?? key.default);
    const [above, before] = index === 0 ? ["  ", "  - "] : ["    ", "    "];
    return `${comment(explain(key), above)}${before}${name}: ${value}\n`;
  });
  return lines.join("");
}

function explain(key: Key): string {
  const unit = key.unit === undefined ? "" : ` (${key.unit})`;
  const parts = [`${key.help} Allowed: ${describeAllowed(key)}${unit}.`];
  if (key.note !== undefined) parts.push(`No effect: ${key.note}.`);
  if (key.env !== undefined) parts.push(`Environment: ${key.env.join(" or ")}.`);
  return parts.join(" ");
}

/** A comment of as many lines as it needs. */
function comment(text: string, indent: string): string {
  const lines = [`${indent}#`];
  for (const word of text.split(" ")) {
    if (lines.at(-1)!.length + 1 + word.length > MAX_COLUMNS) lines.push(`${indent}#`);
    lines[lines.length - 1] += ` ${word}`;
  }
  return `${lines.join("\n")}\n`;
}

const PLAIN_REGEXP = /^[A-Za-z./][\w./:-]*$/;

function renderValue(value: Key["default"]): string {
  if (typeof value === "object") return "{}";
  return typeof value !== "string" || PLAIN_REGEXP.test(value)
    ? String(value)
    : JSON.stringify(value);
}
