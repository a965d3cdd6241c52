// SPDX-License-Identifier: MulanPSL-2.0
/** Deno lint plugin: which folder of src may import which, and who may touch the host. */

/** Folder of src to the folders that its files may import; app wires them together for main.ts. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  gen: ["core"],
  sys: ["core", "gen"],
  ingest: ["core"],
  egress: ["core"],
  probes: ["core", "gen"],
  manager: ["core", "sys"],
  app: ["core", "gen", "sys", "ingest", "egress", "probes", "manager"],
};
/** These compute and declare; what touches the host is handed to them. */
const WITHOUT_HOST = new Set(["core", "probes"]);
/** What a test beside such code may call all the same: it has fixtures. */
const TEST_CALLS = new Set([
  "test",
  "readTextFile",
  "readTextFileSync",
  "readFile",
  "readFileSync",
]);
const ROOT = new URL("../", import.meta.url).pathname;

interface Place {
  /** `src/core/table.ts`. */
  readonly path: string;
  readonly layer: string;
  readonly isTest: boolean;
}

function placeOf(fileName: string): Place | undefined {
  const path = fileName.startsWith(ROOT) ? fileName.slice(ROOT.length) : fileName;
  if (!path.startsWith("src/")) return undefined;
  return { path, layer: path.split("/")[1] ?? "", isTest: path.endsWith("_test.ts") };
}

/** What is wrong with an import, or undefined. */
function refusal(from: Place, specifier: string): string | undefined {
  const allowed = ALLOWED[from.layer];
  if (allowed === undefined) return `src/${from.layer} is not a layer: see scripts/lint_layers.ts`;
  if (!specifier.startsWith(".")) {
    if (from.isTest || !WITHOUT_HOST.has(from.layer)) return undefined;
    return `src/${from.layer} may not import the package "${specifier}"`;
  }
  const target = new URL(specifier, `file:///${from.path}`).pathname.split("/");
  const layer = target[1] === "src" ? target[2] ?? "" : undefined;
  // A test beside the code may use the fixtures and runners of tests/.
  if (layer === undefined) {
    if (from.isTest && target[1] === "tests") return undefined;
    return `src/${from.layer} may not import "${specifier}", which is outside src`;
  }
  if (layer === from.layer || allowed.includes(layer)) return undefined;
  return `src/${from.layer} may not import src/${layer}`;
}

const importRule: Deno.lint.Rule = {
  create(context) {
    const from = placeOf(context.filename);
    if (from === undefined) return {};
    const check = (node: Deno.lint.Node, source: Deno.lint.Node | null) => {
      if (source?.type !== "Literal" || typeof source.value !== "string") return;
      const message = refusal(from, source.value);
      if (message !== undefined) context.report({ node, message });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source),
      ExportNamedDeclaration: (node) => check(node, node.source),
      ExportAllDeclaration: (node) => check(node, node.source),
      ImportExpression: (node) => check(node, node.source),
    };
  },
};

const hostRule: Deno.lint.Rule = {
  create(context) {
    const from = placeOf(context.filename);
    if (from === undefined || !WITHOUT_HOST.has(from.layer)) return {};
    return {
      MemberExpression(node) {
        if (node.object.type !== "Identifier" || node.object.name !== "Deno") return;
        const name = node.property.type === "Identifier" ? node.property.name : "";
        if (from.isTest && TEST_CALLS.has(name)) return;
        context.report({
          node,
          message: `src/${from.layer} may not use Deno: it is handed what it needs`,
        });
      },
    };
  },
};

const plugin: Deno.lint.Plugin = {
  name: "layers",
  rules: { import: importRule, host: hostRule },
};
export default plugin;
