// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import plugin from "./lint_layers.ts";

function messages(file: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, file, source).map(({ message }) => message);
}

for (
  const [file, source] of [
    ["src/core/table.ts", 'import { a } from "./layout.ts";'],
    ["src/gen/layouts.ts", 'import type { A } from "../core/layout.ts";'],
    [
      "src/sys/proc.ts",
      'import { a } from "../gen/layouts.ts"; Deno.readTextFileSync("/proc/stat");',
    ],
    [
      "src/probes/tcp.ts",
      'import { a } from "../core/probe.ts"; import { b } from "../gen/layouts.ts";',
    ],
    [
      "src/manager/api.ts",
      'import { Registry } from "prom-client"; import { a } from "../sys/proc.ts";',
    ],
    ["src/core/table_test.ts", 'import a from "node:assert/strict"; Deno.test("a", () => a(1));'],
    ["src/probes/tcp_test.ts", 'import { a } from "../../tests/run_probe.ts";'],
    ["src/core/scan_test.ts", 'Deno.readTextFileSync(new URL("a", import.meta.url));'],
    ["/src/gopher/main.ts", "Deno.cwd();"],
    ["main.ts", 'import { probes } from "./src/gen/all.ts"; await import("./src/egress/log.ts");'],
  ] as const
) {
  Deno.test(`lint_layers accepts in ${file}: ${source}`, () => {
    assert.deepEqual(messages(file, source), []);
  });
}

for (
  const [file, source, message] of [
    ["src/core/table.ts", 'import { a } from "../sys/proc.ts";', "src/core may not import src/sys"],
    ["src/core/table.ts", 'export * from "../gen/layouts.ts";', "src/core may not import src/gen"],
    ["src/core/a.ts", 'export { a } from "yaml";', 'src/core may not import the package "yaml"'],
    [
      "src/egress/log.ts",
      'await import("../probes/tcp.ts");',
      "src/egress may not import src/probes",
    ],
    ["src/probes/tcp.ts", 'import "../sys/libbpf.ts";', "src/probes may not import src/sys"],
    [
      "src/manager/api.ts",
      'import "../../main.ts";',
      'src/manager may not import "../../main.ts", which is outside src',
    ],
    [
      "src/sys/a.ts",
      'import "../../tests/run_probe.ts";',
      'src/sys may not import "../../tests/run_probe.ts", which is outside src',
    ],
    [
      "src/utils/a.ts",
      'import "../core/a.ts";',
      "src/utils is not a layer: see scripts/lint_layers.ts",
    ],
    ["src/core/a.ts", "Deno.cwd();", "src/core may not use Deno: it is handed what it needs"],
    [
      "src/probes/a_test.ts",
      "Deno.connect({ port: 1 });",
      "src/probes may not use Deno: it is handed what it needs",
    ],
    [
      new URL("../src/core/a.ts", import.meta.url).pathname,
      "Deno.cwd();",
      "src/core may not use Deno: it is handed what it needs",
    ],
  ] as const
) {
  Deno.test(`lint_layers refuses in ${file}: ${source}`, () => {
    assert.deepEqual(messages(file, source), [message]);
  });
}

const TYPE_IMPORT = /^import type [^;]*;/gm;

/** Package name to the files of src and main.ts that import it. */
async function packageImporters(): Promise<Map<string, Set<string>>> {
  const root = new URL("../", import.meta.url);
  const { imports }: { imports: Record<string, string> } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", root)),
  );
  const importers = new Map(Object.keys(imports).map((name) => [name, new Set<string>()]));
  const visit = async (folder: string): Promise<void> => {
    for await (const entry of Deno.readDir(new URL(folder, root))) {
      const path = `${folder}${entry.name}`;
      if (entry.isDirectory) await visit(`${path}/`);
      if (!path.endsWith(".ts") || /(?:_test|\.d)\.ts$/.test(path)) continue;
      const text = (await Deno.readTextFile(new URL(path, root))).replace(TYPE_IMPORT, "");
      for (const [, specifier] of text.matchAll(/(?:from|import|import\()\s*"([^".][^"]*)"/g)) {
        const name = [...importers.keys()].find((it) =>
          specifier === it || specifier?.startsWith(`${it}/`)
        );
        if (name !== undefined) importers.get(name)?.add(path);
      }
    }
  };
  await visit("src/");
  return importers;
}

Deno.test("each npm package is imported by one file, but for its types", async () => {
  for (const [name, files] of await packageImporters()) {
    assert.ok(files.size <= 1, `"${name}" is imported by ${[...files].join(", ")}`);
  }
});
