// SPDX-License-Identifier: MulanPSL-2.0
/** YAML text to a tree of settings with the place of each, without aliases, tags and what else a configuration needs not. */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type YAMLMap,
} from "yaml";
import type { Place } from "../core/errors.ts";
import {
  EMPTY_GROUP,
  type Setting,
  type SettingEntry,
  type SettingGroup,
} from "../core/setting_tree.ts";
import { Findings } from "./config_findings.ts";

const MAX_DEPTH = 32;

/** Reads a whole file. Throws ConfigError for the first thing that is wrong. */
export function parseYamlTree(text: string, file: string): SettingGroup {
  const findings = new Findings(file);
  const root = parseYaml(text, findings);
  const [problem] = findings.problems;
  if (problem !== undefined) throw problem;
  return root;
}

/** Reads a whole file; what is wrong goes to `findings`, and then the tree is not whole. */
export function parseYaml(text: string, findings: Findings): SettingGroup {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: "error",
  });
  const placeAt = (offset: number): Place & { line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { file: findings.file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  reportYaml(document, placeAt, findings);
  if (document.contents === null || findings.problems.length > 0) return EMPTY_GROUP;
  const root = convertYaml(document.contents, placeAt, 0, findings);
  if (root.kind === "scalar" && root.value === null) return EMPTY_GROUP;
  if (root.kind === "group") return root;
  findings.add(`file is a ${root.kind}`, findings.placeOf(root), "a group of sections");
  return EMPTY_GROUP;
}

type PlaceAt = (offset: number) => Place & { line: number; column: number };

function reportYaml(document: Document.Parsed, placeAt: PlaceAt, findings: Findings): void {
  const seenLines = new Set<number>();
  // A tag that is not known is only a warning to the parser.
  for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
    const place = placeAt(pos[0]);
    // What follows in the same line is mostly the same slip once more.
    if (seenLines.has(place.line)) continue;
    seenLines.add(place.line);
    if (code === "MULTIPLE_DOCS") findings.add("second YAML document", place, "one document");
    else if (code === "RESOURCE_EXHAUSTION") {
      findings.add("nested too deeply", place, `up to ${MAX_DEPTH} levels`);
      return;
    } else findings.add(`broken YAML: ${message}`, place);
  }
}

function convertYaml(node: unknown, placeAt: PlaceAt, depth: number, findings: Findings): Setting {
  const range = isMap(node) || isSeq(node) || isScalar(node) || isAlias(node) ? node.range : null;
  const { line, column } = placeAt(range?.[0] ?? 0);
  const position = { line, column };
  if (depth > MAX_DEPTH) {
    findings.add("nested too deeply", findings.placeOf(position), `up to ${MAX_DEPTH} levels`);
  } else if (isMap(node)) {
    return { kind: "group", entries: convertMap(node, placeAt, depth, findings), ...position };
  } else if (isSeq(node)) {
    const items = node.items.map((item) => convertYaml(item, placeAt, depth + 1, findings));
    return { kind: "list", items, ...position };
  } else if (isScalar(node)) {
    return { kind: "scalar", value: scalarOf(node.value), ...position };
  } else if (isAlias(node)) {
    // Aliases of aliases can grow a small file without bound.
    findings.add(`alias "*${node.source}"`, findings.placeOf(position), "the value itself");
  }
  return { kind: "scalar", value: null, ...position };
}

function scalarOf(value: unknown): string | number | boolean | null {
  if (value === null || value === undefined) return null;
  return typeof value === "number" || typeof value === "boolean" ? value : String(value);
}

function convertMap(
  map: YAMLMap,
  placeAt: PlaceAt,
  depth: number,
  findings: Findings,
): Map<string, SettingEntry> {
  const entries = new Map<string, SettingEntry>();
  for (const { key, value } of map.items) {
    const keyNode = convertYaml(key, placeAt, depth + 1, findings);
    const { line, column } = keyNode;
    const place = findings.placeOf(keyNode);
    if (keyNode.kind !== "scalar") {
      findings.add(`key is a ${keyNode.kind}`, place, "a name");
      continue;
    }
    const name = String(keyNode.value ?? "");
    const former = entries.get(name);
    if (former === undefined) {
      const node: Setting = value === null
        ? { kind: "scalar", value: null, line, column }
        : convertYaml(value, placeAt, depth + 1, findings);
      entries.set(name, { node, line, column });
    } else {
      const problem = `duplicate key ${JSON.stringify(name)}, first in line ${former.line}`;
      findings.add(problem, place, "each key once");
    }
  }
  return entries;
}
