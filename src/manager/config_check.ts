// SPDX-License-Identifier: MulanPSL-2.0
/** Checks a tree of settings against the schema: unknown names, types, bounds, duplicates. */
import type { Place } from "../core/errors.ts";
import type { Setting, SettingEntry, SettingGroup } from "../core/setting_tree.ts";
import type { Findings } from "./config_findings.ts";
import {
  EVENT_SETTINGS,
  type ExtendProbeConfig,
  type KnownProbe,
  LISTS,
  type ProbeConfig,
  SECTIONS,
} from "./schema.ts";
import {
  acceptValue,
  describeAllowed,
  type Key,
  type Keys,
  type Scalar,
} from "../core/setting_key.ts";

/** What a file or the environment sets, by `section.key`. */
export type Given = Map<string, { readonly value: Scalar; readonly place: Place }>;

export interface Draft {
  readonly given: Given;
  readonly probes: ProbeConfig[] | undefined;
  readonly extendProbes: ExtendProbeConfig[] | undefined;
}

const MAX_LIST_ENTRIES = 256;
const MAX_SHOWN_CHARACTERS = 60;

export function keysOf(section: string): Keys {
  return Object.entries(SECTIONS).find(([name]) => name === section)?.[1].keys ?? {};
}

export function checkSettings(
  root: SettingGroup,
  known: readonly KnownProbe[],
  findings: Findings,
): Draft {
  const given: Given = new Map();
  const names = [...Object.keys(SECTIONS), ...Object.keys(LISTS)];
  for (const [name, entry] of root.entries) {
    if (Object.hasOwn(LISTS, name)) continue;
    if (!Object.hasOwn(SECTIONS, name)) {
      reportUnknown(name, "", names, findings.placeOf(entry), findings);
    } else checkSection(name, entry.node, given, findings);
  }
  checkProbeSettings(root, known, findings);
  return {
    given,
    probes: checkList<ProbeConfig>("probes", root, findings),
    extendProbes: checkList<ExtendProbeConfig>("extend_probes", root, findings),
  };
}

function checkSection(section: string, node: Setting, given: Given, findings: Findings): void {
  // A section whose keys are all commented out.
  if (node.kind === "scalar" && node.value === null) return;
  const keys = keysOf(section);
  for (const [name, value, place] of checkGroup(section, node, keys, findings)) {
    given.set(`${section}.${name}`, { value: value as Scalar, place });
  }
}

/** The accepted entries of a group, with the place of each value. */
function* checkGroup(
  label: string,
  node: Setting,
  keys: Keys,
  findings: Findings,
): Generator<[name: string, value: unknown, place: Place]> {
  const names = Object.keys(keys);
  if (node.kind !== "group") {
    findings.add(
      `${label} ${describe(node)}`,
      findings.placeOf(node),
      `a group of ${names.join(", ")}`,
    );
    return;
  }
  for (const [name, entry] of node.entries) {
    const key = Object.hasOwn(keys, name) ? keys[name] : undefined;
    if (key === undefined) {
      reportUnknown(name, `${label}.`, names, findings.placeOf(entry), findings);
      continue;
    }
    const value = checkValue(`${label}.${name}`, entry.node, key, findings);
    if (value !== undefined) yield [name, value, findings.placeOf(entry.node)];
  }
}

function checkValue(label: string, node: Setting, key: Key, findings: Findings): unknown {
  if (key.kind === "map" && node.kind === "group") {
    const { values } = key;
    const pairs = [...node.entries].map(([name, entry]) => [
      name,
      checkValue(`${label}.${name}`, entry.node, values, findings),
    ]);
    return Object.fromEntries(pairs);
  }
  const value = node.kind === "scalar" && key.kind !== "map"
    ? acceptValue(key, node.value)
    : undefined;
  if (value === undefined) {
    findings.add(`${label} ${describe(node)}`, findings.placeOf(node), describeAllowed(key));
  }
  return value;
}

function checkList<Entry extends ProbeConfig | ExtendProbeConfig>(
  list: keyof typeof LISTS,
  root: SettingGroup,
  findings: Findings,
): Entry[] | undefined {
  const node = root.entries.get(list)?.node;
  if (node === undefined) return undefined;
  if (node.kind !== "list" || node.items.length > MAX_LIST_ENTRIES) {
    const problem = node.kind === "list" ? `has ${node.items.length} entries` : describe(node);
    const allowed = `a list of up to ${MAX_LIST_ENTRIES} groups, [] for none`;
    findings.add(`${list} ${problem}`, findings.placeOf(node), allowed);
    return undefined;
  }
  const entries = node.items.map((item) => checkEntry(list, item, findings));
  // The keys of the schema are all there now, each with a value of its type.
  return entries.filter((entry) => entry !== undefined) as unknown as Entry[];
}

/** An entry of `extend_probes` in a file of its own; `defaults` are for what it does not say. */
export function checkExtendProbe(
  root: SettingGroup,
  defaults: Readonly<Record<"name" | "command", string>>,
  findings: Findings,
): ExtendProbeConfig {
  const place = { line: root.line, column: root.column };
  const added = Object.entries(defaults).map(([name, value]): [string, SettingEntry] => [
    name,
    { node: { kind: "scalar", value, ...place }, ...place },
  ]);
  const entries = new Map([...added, ...root.entries]);
  const entry = checkEntry("extend_probes", { ...root, entries }, findings);
  findings.throwIfAny();
  // As in checkList: the keys of the schema are all there now, each with a value of its type.
  return entry as unknown as ExtendProbeConfig;
}

function checkEntry(
  list: keyof typeof LISTS,
  item: Setting,
  findings: Findings,
): Record<string, unknown> | undefined {
  const keys: Keys = LISTS[list].keys;
  const place = findings.placeOf(item);
  const before = findings.problems.length;
  const given = new Map<string, unknown>();
  for (const [name, value] of checkGroup(list, item, keys, findings)) given.set(name, value);
  if (item.kind === "group") {
    for (const [name, key] of Object.entries(keys)) {
      if (key.kind !== "text" || !key.required || item.entries.has(name)) continue;
      findings.add(`entry of ${list} has no "${name}"`, place, describeAllowed(key));
    }
  }
  if (given.get("switch") === "auto" && !given.get("start_check")) {
    findings.add(`${list}.switch is "auto" without start_check`, place, "auto with a start_check");
  }
  if (findings.problems.length > before) return undefined;
  const values = Object.entries(keys).map(([name, key]) => [name, given.get(name) ?? key.default]);
  return { ...Object.fromEntries(values), place };
}

/** Settings of the probes of this program; those of others are any. */
function checkProbeSettings(
  root: SettingGroup,
  known: readonly KnownProbe[],
  findings: Findings,
): void {
  const list = root.entries.get("probes")?.node;
  for (const item of list?.kind === "list" ? list.items.slice(0, MAX_LIST_ENTRIES) : []) {
    if (item.kind !== "group") continue;
    const name = item.entries.get("name")?.node;
    const probe = known.find((each) => name?.kind === "scalar" && each.name === name.value);
    const settings = item.entries.get("settings")?.node;
    if (probe === undefined || settings?.kind !== "group") continue;
    const keys = { ...probe.settings, ...EVENT_SETTINGS };
    // Their values are taken over with the entry.
    for (const _ of checkGroup("settings", settings, keys, findings));
  }
}

/** How a value is called in a message: `is "8888"`. */
function describe(node: Setting): string {
  if (node.kind !== "scalar") return `is a ${node.kind}`;
  return node.value === null ? "has no value" : `is ${show(node.value)}`;
}

export function show(value: Scalar): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length <= MAX_SHOWN_CHARACTERS ? text : `${text.slice(0, MAX_SHOWN_CHARACTERS)}...`;
}

function reportUnknown(
  name: string,
  prefix: string,
  names: readonly string[],
  place: Place,
  findings: Findings,
): void {
  const near = nearest(name, names);
  const hint = near === undefined ? "" : `, did you mean "${near}"?`;
  findings.add(`unknown key ${show(prefix + name)}${hint}`, place, names.join(", "));
}

/** The name that differs by the fewest letters, if that is few enough to be a slip. */
function nearest(name: string, names: readonly string[]): string | undefined {
  if (name.length > MAX_SHOWN_CHARACTERS) return undefined;
  let best: string | undefined;
  let fewest = Math.min(3, Math.ceil(name.length / 3)) + 1;
  for (const candidate of names) {
    const count = countEdits(name.toLowerCase(), candidate);
    if (count < fewest) [best, fewest] = [candidate, count];
  }
  return best;
}

/** Letters to insert, delete or replace to get from one word to the other. */
function countEdits(from: string, to: string): number {
  let former = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = former[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, former[column]! + 1, current[column - 1]! + 1));
    }
    former = current;
  }
  return former[to.length]!;
}
