// SPDX-License-Identifier: MulanPSL-2.0
/** Tables of an external probe from its meta file: in the original's libconfig grammar, or the same as YAML. */
import { ConfigError, type Place } from "../core/errors.ts";
import { parseLibconfig } from "../core/libconfig.ts";
import type { Setting, SettingEntry, SettingGroup } from "../core/setting_tree.ts";
import type { MetricSpec, NumberType, TableSpec } from "../core/table.ts";

/** What the field at one position of a line is for. */
export type ExternalColumn =
  /** Goes to the row's labels; `index` counts the keys first, then the labels. */
  | { readonly kind: "key" | "label"; readonly name: string; readonly index: number }
  /** A number. */
  | { readonly kind: "metric"; readonly name: string }
  /** A histogram, whose bounds come with its first line; the largest value goes to the gauge `<name>_max`. */
  | { readonly kind: "histogram"; readonly name: string }
  /** Stands in the line but is not exported. */
  | { readonly kind: "ignored"; readonly name: string };

/** A table, and where its fields stand in a line. */
export interface ExternalTable {
  readonly name: string;
  readonly spec: TableSpec;
  readonly columns: readonly ExternalColumn[];
}

/** The original's own buffer is 32 bytes. */
export const MAX_TABLE_NAME = 31;
/** The original says 31 too, but its own cadvisor_probe.meta has names of 38 characters. */
const MAX_FIELD_NAME = 63;
const MAX_ENTITY_NAME = 63;
/** The first field of event and log lines: no table can have these names. */
const LINE_KINDS: readonly string[] = ["event", "log"];
/** Prometheus keeps names that start with two underscores for itself. */
const NAME_REGEXP = /^(?!__)[A-Za-z_][A-Za-z0-9_]*$/;
/** `summary` is a plain number in the original's output too. */
const METRIC_TYPES: Readonly<Record<string, NumberType>> = {
  gauge: "gauge",
  counter: "counter",
  summary: "gauge",
};
const IGNORED_TYPES: readonly string[] = ["Unknown", "string", "number", "byte sequence"];
const TYPES = ["key", "label", ...Object.keys(METRIC_TYPES), "histogram", ...IGNORED_TYPES].join(
  ", ",
);

interface FieldLine extends Place {
  readonly name: string;
  readonly type: string;
  readonly help: string;
}

/** Reads a whole file into its tree; throws ConfigError. */
export type ParseTree = (text: string, file: string) => SettingGroup;

/** Names of meta files: the original's form, and YAML. */
export const META_REGEXP = /\.meta(\.ya?ml)?$/;
const YAML_REGEXP = /\.ya?ml$/;

/** Reads the text of one meta file. Throws ConfigError. */
export function parseMeta(text: string, file: string, parseYaml: ParseTree): ExternalTable[] {
  const root = YAML_REGEXP.test(file) ? parseYaml(text, file) : parseLibconfig(text, file);
  refuseOthers(root, ["version", "measurements"], file);
  const version = stringOf(root, "version", file).value;
  const list = entryOf(root, "measurements", file);
  const tables: ExternalTable[] = [];
  for (const item of itemsOf(list.node, file, "tables { ... }")) {
    const table = readTable(item, version, file);
    if (tables.some((other) => other.name === table.name)) {
      throw new ConfigError(`table "${table.name}" twice`, at(file, item), "each table once");
    }
    tables.push(table);
  }
  return tables;
}

function at(file: string, { line, column }: { line: number; column: number }): Place {
  return { file, line, column };
}

function readTable(group: SettingGroup, version: string, file: string): ExternalTable {
  refuseOthers(group, ["table_name", "entity_name", "fields"], file);
  const name = nameOf(group, "table_name", MAX_TABLE_NAME, file).value;
  const entity = nameOf(group, "entity_name", MAX_ENTITY_NAME, file).value;
  const list = entryOf(group, "fields", file);
  const fields = itemsOf(list.node, file, "fields { ... }").map((item) => readField(item, file));
  const seen = new Set<string>();
  for (const field of fields) {
    if (seen.has(field.name)) {
      throw new ConfigError(`field "${field.name}" twice`, place(field), "each field once");
    }
    seen.add(field.name);
  }
  if (LINE_KINDS.includes(name) && fields.some((field) => isExported(field.type))) {
    const problem = `table "${name}", which is the start of ${name} lines`;
    throw new ConfigError(problem, at(file, group), `another name, or fields of type string`);
  }
  return assemble(name, entity, version, fields);
}

function isExported(type: string): boolean {
  return !IGNORED_TYPES.includes(type);
}

function readField(group: SettingGroup, file: string): FieldLine {
  refuseOthers(group, ["description", "type", "name"], file);
  const { value: name } = nameOf(group, "name", MAX_FIELD_NAME, file);
  const { value: type, ...typePlace } = stringOf(group, "type", file);
  const known = type === "key" || type === "label" || type === "histogram" ||
    Object.hasOwn(METRIC_TYPES, type) || IGNORED_TYPES.includes(type);
  if (!known) throw new ConfigError(`type "${type}" of field "${name}"`, place(typePlace), TYPES);
  const help = stringOf(group, "description", file).value;
  return { name, type, help, ...at(file, group) };
}

function assemble(
  name: string,
  entity: string,
  version: string,
  fields: readonly FieldLine[],
): ExternalTable {
  const namesOf = (type: string) => fields.filter((f) => f.type === type).map((f) => f.name);
  const keys = namesOf("key");
  const labels = namesOf("label");
  const metrics: Record<string, MetricSpec> = {};
  const columns = fields.map((field): ExternalColumn => {
    if (field.type === "key") {
      return { kind: "key", name: field.name, index: keys.indexOf(field.name) };
    }
    if (field.type === "label") {
      return { kind: "label", name: field.name, index: keys.length + labels.indexOf(field.name) };
    }
    // A `.meta` file does not say units.
    const shown = { help: field.help, unit: "" };
    if (field.type === "histogram") {
      metrics[field.name] = { type: "histogram", bounds: [], ...shown };
      return { kind: "histogram", name: field.name };
    }
    const type = METRIC_TYPES[field.type];
    if (type === undefined) return { kind: "ignored", name: field.name };
    metrics[field.name] = { type, ...shown };
    return { kind: "metric", name: field.name };
  });
  for (const { name: histogram, help } of fields.filter(({ type }) => type === "histogram")) {
    metrics[`${histogram}_max`] ??= { type: "gauge", help: `Largest value: ${help}`, unit: "" };
  }
  const order = columns.filter(({ kind }) => kind !== "ignored").map((column) => column.name);
  const plain = [...keys, ...labels, ...order.filter((field) => Object.hasOwn(metrics, field))];
  const mixed = order.some((field, i) => field !== plain[i]);
  const spec = { entity, version, keys, labels, metrics, ...(mixed ? { fields: order } : {}) };
  return { name, spec, columns };
}

function place({ file, line, column }: Place): Place {
  return {
    file,
    ...(line === undefined ? {} : { line }),
    ...(column === undefined ? {} : { column }),
  };
}

function refuseOthers(group: SettingGroup, known: readonly string[], file: string): void {
  for (const [name, entry] of group.entries) {
    if (known.includes(name)) continue;
    throw new ConfigError(`unknown setting "${name}"`, at(file, entry), known.join(", "));
  }
}

function entryOf(group: SettingGroup, name: string, file: string): SettingEntry {
  const entry = group.entries.get(name);
  if (entry !== undefined) return entry;
  throw new ConfigError(`"${name}" is missing`, at(file, group), `${name} = ...`);
}

function itemsOf(node: Setting, file: string, what: string): SettingGroup[] {
  if (node.kind !== "list" || node.items.length === 0) {
    const problem = node.kind === "list" ? "empty list" : `a ${node.kind}`;
    throw new ConfigError(problem, at(file, node), `a list of ${what}`);
  }
  return node.items.map((item) => {
    if (item.kind === "group") return item;
    throw new ConfigError(`a ${item.kind} in the list`, at(file, item), `a list of ${what}`);
  });
}

function stringOf(group: SettingGroup, name: string, file: string): Place & { value: string } {
  const { node, line, column } = entryOf(group, name, file);
  if (node.kind === "scalar" && typeof node.value === "string") {
    return { value: node.value, file, line, column };
  }
  throw new ConfigError(`"${name}" is no string`, at(file, node), `a string in ""`);
}

function nameOf(
  group: SettingGroup,
  name: string,
  longest: number,
  file: string,
): Place & { value: string } {
  const found = stringOf(group, name, file);
  if (NAME_REGEXP.test(found.value) && found.value.length <= longest) return found;
  const allowed = `1 to ${longest} letters, digits and "_", not starting with a digit or "__"`;
  throw new ConfigError(`${name} ${JSON.stringify(found.value)}`, place(found), allowed);
}
