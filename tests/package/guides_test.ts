// SPDX-License-Identifier: MulanPSL-2.0
/** The guides: their links lead somewhere, their commands give what they show, both languages say the same. */
import assert from "node:assert/strict";
import { BINARY, finished, ROOT, withFolder } from "../e2e/run_agent.ts";

function guides(): string[] {
  const docs = [...Deno.readDirSync(`${ROOT}docs`)].map(({ name }) => `docs/${name}`);
  return ["README.md", "README.zh.md", "probes/README.md", ...docs.sort()]
    .filter((name) => name.endsWith(".md"));
}

const read = (path: string) => Deno.readTextFileSync(ROOT + path);

/** Headings as GitHub makes anchors of them. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
  );
}

/** Fenced blocks of this kind. */
function blocks(text: string, kind: string): string[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, found]) => found === kind).map(([, , block]) => block!);
}

const withoutBlocks = (text: string) => text.replaceAll(/^```[\s\S]*?^```$/gm, "");

Deno.test("The guides carry no marks of an unfinished merge", () => {
  for (const guide of guides()) {
    assert.doesNotMatch(read(guide), /^(# )?(<<<<<<<|>>>>>>>) /m, guide);
  }
});

Deno.test("Links of the guides lead to files and headings that there are", () => {
  let links = 0;
  for (const guide of guides()) {
    for (const [, target] of withoutBlocks(read(guide)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const [path, anchor] = target!.split("#") as [string, string?];
      const file = path === "" ? guide : new URL(path, `file:///${guide}`).pathname.slice(1);
      assert.ok(Deno.statSync(ROOT + file), `${guide}: ${target}`);
      if (anchor !== undefined) {
        assert.ok(anchors(read(file)).includes(anchor), `${guide}: ${target}`);
      }
      links++;
    }
  }
  assert.ok(links > 20);
});

Deno.test("Scripts and files that the guides name are there", () => {
  for (const guide of guides()) {
    for (
      const [path] of read(guide).matchAll(/\b(?:scripts|packaging|conf|tests)\/[\w./-]+\.\w+/g)
    ) {
      assert.ok(Deno.statSync(ROOT + path).isFile, `${guide}: ${path}`);
    }
  }
});

Deno.test("C and TypeScript of the guides stand so in the sources", () => {
  const sources = ["bpf", "src/probes", "tests/kernel"].flatMap((folder) =>
    [...Deno.readDirSync(ROOT + folder)].filter(({ isFile }) => isFile)
      .map(({ name }) => read(`${folder}/${name}`))
  );
  let quoted = 0;
  for (const guide of guides()) {
    for (const block of ["c", "ts"].flatMap((kind) => blocks(read(guide), kind))) {
      assert.ok(sources.some((source) => source.includes(block)), `${guide}: ${block}`);
      quoted++;
    }
  }
  assert.ok(quoted >= 4);
});

/** What a program that judges configurations says of this one. */
async function judged(folder: string, text: string) {
  const isScrape = text.includes("scrape_configs");
  const file = `${folder}/${isScrape ? "prometheus.yml" : "gala-gopher.yaml"}`;
  await Deno.writeTextFile(file, text);
  return isScrape
    ? await finished("promtool", ["check", "config", file])
    : await finished(BINARY, ["check", "-c", file]);
}

Deno.test("Configurations of the guides have no mistakes", async () => {
  let tried = 0;
  await withFolder(async (folder) => {
    const rules = "gala-gopher.rules.yaml";
    await Deno.copyFile(`${ROOT}packaging/prometheus/${rules}`, `${folder}/${rules}`);
    for (const guide of guides()) {
      // A .meta.yaml is no configuration.
      const texts = blocks(read(guide), "yaml").filter((text) => !text.includes("measurements:"));
      for (const text of texts) {
        const { code, out, err } = await judged(folder, text);
        assert.equal(code, 0, `${guide}: ${text}${out}${err}`);
        tried++;
      }
    }
  });
  assert.ok(tried >= 10);
});

/** Also beside other work. */
const TYPE_CHECK_MS = 60_000;

Deno.test("A field that the map does not have is the type error that the guide shows", async () => {
  const [shown] = blocks(read("docs/ebpf_probes.md"), "text");
  const misspelt = read("src/probes/exec.ts").replace('"counter", "starts"', '"counter", "stars"')
    .replaceAll('"../', `"file://${ROOT}src/`);
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/exec.ts`, misspelt);
    const config = `--config=${ROOT}deno.json`;
    const args = ["check", "--quiet", "--no-lock", config, `${folder}/exec.ts`];
    const { code, err } = await finished(Deno.execPath(), args, TYPE_CHECK_MS);
    assert.notEqual(code, 0);
    // deno-lint-ignore no-control-regex
    const plain = err.replaceAll(/\x1b\[[\d;]*m/g, "");
    for (const line of shown!.trimEnd().split("\n")) {
      assert.ok(plain.includes(line), `${line}\n${plain}`);
    }
  });
});

/** Folders below one, without those that are not part of the sources. */
function folders(below: string): string[] {
  const ignored = read(".gitignore").split("\n").map((line) => line.replaceAll("/", ""));
  return [...Deno.readDirSync(ROOT + below)]
    .filter(({ name, isDirectory }) =>
      isDirectory && !name.startsWith(".") && !ignored.includes(name)
    )
    .map(({ name }) => below + name);
}

Deno.test("README says of every folder, in both languages, what it holds", () => {
  // src itself holds nothing but these.
  const all = [
    ...folders("").filter((name) => name !== "src"),
    ...["src/", "tests/"].flatMap(folders),
  ];
  assert.ok(all.includes("src/core") && all.includes("tests/kernel") && all.includes("bpf"));
  for (const guide of ["README.md", "README.zh.md"]) {
    const rows = read(guide).split("\n").filter((line) => line.startsWith("| `"));
    const missing = all.filter((folder) => !rows.some((row) => row.includes(`\`${folder}\``)));
    assert.deepEqual(missing, [], guide);
  }
});

interface Run {
  readonly command: string;
  readonly shown: string[];
}

/** Commands of console blocks with what is shown below each. */
function runs(text: string): Run[] {
  return blocks(text, "console").flatMap((block) =>
    block.split(/^\$ /m).slice(1).map((part) => {
      const [command = "", ...shown] = part.trimEnd().split("\n");
      return { command, shown };
    })
  );
}

/** Those that change nothing, and whose answer does not depend on the host. */
const TRIED_REGEXP = /^\.\/gala-gopher (check|doctor|meta|--version|--help)\b/;

Deno.test("Commands of the guides give what the guides show", async () => {
  const tried = new Map<string, Run>();
  for (const guide of guides()) {
    for (const run of runs(read(guide)).filter(({ command }) => TRIED_REGEXP.test(command))) {
      tried.set(run.command + run.shown.join("\n"), run);
    }
  }
  assert.ok(tried.size >= 4);
  const outputs = new Map<string, string>();
  for (const { command, shown } of tried.values()) {
    const args = command.split(" ").slice(1).map((word) =>
      word.startsWith("tests/") || word === "conf" ? ROOT + word : word
    );
    if (!outputs.has(command)) {
      const { out, err } = await finished(BINARY, args);
      outputs.set(command, (out + err).replaceAll(ROOT, ""));
    }
    for (const line of shown) {
      const start = line.replace(/\s*\.\.\.$/, "");
      assert.ok(outputs.get(command)!.includes(start), `${command} does not say: ${line}`);
    }
  }
});

Deno.test("README.zh.md has the sections, commands, links and tables of README.md", () => {
  const [english, chinese] = [read("README.md"), read("README.zh.md")];
  for (const kind of ["sh", "console", "yaml"]) {
    assert.deepEqual(blocks(chinese, kind), blocks(english, kind), kind);
  }
  const shape = (text: string) => {
    const plain = withoutBlocks(text);
    return {
      headings: [...plain.matchAll(/^(#+) /gm)].map(([, marks]) => marks),
      rows: plain.match(/^\| /gm)!.length,
      links: [...plain.matchAll(/\]\((?!README)([^)]+)\)/g)].map(([, target]) => target).sort(),
      items: plain.match(/^- /gm)!.length,
    };
  };
  assert.deepEqual(shape(chinese), shape(english));
});

Deno.test("BPF objects compile for aarch64, too", async () => {
  await withFolder(async (folder) => {
    const sources = [...Deno.readDirSync(`${ROOT}bpf`)].map(({ name }) => name)
      .filter((name) => name.endsWith(".bpf.c"));
    assert.ok(sources.length > 2);
    for (const name of sources) {
      const { code, err } = await finished("clang-19", [
        ..."-target bpf -mcpu=v3 -g -O2 -Wall -Werror -D__TARGET_ARCH_arm64".split(" "),
        `-I${ROOT}bpf`,
        "-c",
        `${ROOT}bpf/${name}`,
        "-o",
        `${folder}/${name}.o`,
      ]);
      assert.equal(code, 0, `${name}: ${err}`);
    }
  });
});
