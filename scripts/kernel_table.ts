// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Writes docs/kernels.md from what `doctor --json` said on each kernel: tests/kernel/doctor/KERNEL.json.
 * `--record KERNEL FILE` takes such an output over first; `--check KERNEL FILE` only tells whether it would change
 * anything.
 */
import { markdownTable } from "./markdown_table.ts";

export interface Hook {
  readonly program: string;
  readonly hook: string;
  readonly state: string;
  readonly reason?: string;
}

export interface Verdict {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly reason?: string;
  readonly hooks: readonly Hook[];
}

/** What doctor said, by kernel, oldest first. */
type Verdicts = ReadonlyMap<string, readonly Verdict[]>;

const ROOT = new URL("../", import.meta.url);
const RECORDS = new URL("tests/kernel/doctor/", ROOT);
const PAGE = new URL("docs/kernels.md", ROOT);
const HEAD = `<!-- Written by scripts/kernel_table.ts; do not edit. -->

# Kernels

What each probe does on Debian's kernels 6.1 and 6.12, as \`gala-gopher doctor --json\` said on them,
started under emulation with every probe and every table on by \`tests/kernel/vm.sh\`. That script also runs the
kernel tests there, and the whole program beside the kernel's own counters. On a host of your own,
\`gala-gopher doctor\` tells the same of that host.

Where a program is not attached its reason stands below. Where another one does its work, as the
\`fexit\` programs before 6.3 and those with \`old\` in their names, the rows are the same. A table is
left out only where none of the programs that could fill it is attached: on 6.1 page accesses of
\`io\`. No Python runs there beside \`doctor\`; the test of \`pygc\` passes on both.
"Not asked for" is a program whose better one is attached.
`;

/** Programs are attached in an order that no reader cares for. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Keys in the order of their first sight, each with its value on each kernel. */
function across(
  verdicts: Verdicts,
  values: (verdict: Verdict) => readonly (readonly [string, string])[],
): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>();
  for (const [kernel, list] of verdicts) {
    for (const [key, value] of list.flatMap(values)) {
      const states = found.get(key) ?? new Map<string, string>();
      found.set(key, states.set(kernel, value));
    }
  }
  return found;
}

function statesOf(
  verdicts: Verdicts,
  values: (verdict: Verdict) => readonly (readonly [string, string])[],
): string[][] {
  const kernels = [...verdicts.keys()];
  return [...across(verdicts, values)].sort(([a], [b]) => byText(a, b)).map(([key, states]) => [
    ...key.split("\0"),
    ...kernels.map((kernel) => states.get(kernel) ?? "not asked for"),
  ]);
}

function reasons(list: readonly Verdict[]): string[][] {
  return list.flatMap(({ name, state, reason, hooks }) => [
    ...(reason === undefined ? [] : [[name, "", "", state, reason]]),
    ...hooks.filter((hook) => hook.reason !== undefined).map((hook) => [
      name,
      hook.program,
      hook.hook,
      hook.state,
      hook.reason!,
    ]),
  ]).sort((a, b) => byText(a.join("\0"), b.join("\0")));
}

/** The page. */
export function kernelPage(verdicts: Verdicts): string {
  const kernels = [...verdicts.keys()];
  const probes = statesOf(
    verdicts,
    ({ name, kind, state }) => [[`${name}\0${kind}`, state === "running" ? "runs" : state]],
  );
  const programs = statesOf(
    verdicts,
    ({ name, hooks }) =>
      hooks.map(({ program, hook, state }) => [`${name}\0${program}\0${hook}`, state]),
  );
  const parts = [
    HEAD,
    "## Probes\n",
    markdownTable(["probe", "kind", ...kernels], probes),
    "## BPF programs\n",
    markdownTable(["probe", "program", "hook", ...kernels], programs),
    "## Reasons\n",
  ];
  for (const [kernel, list] of verdicts) {
    const rows = reasons(list);
    parts.push(
      rows.length === 0
        ? `On ${kernel} everything is attached.\n`
        : `On ${kernel}:\n\n${
          markdownTable(["probe", "program", "hook", "state", "reason"], rows)
        }`,
    );
  }
  return parts.join("\n");
}

/** What lasts of an output: neither costs nor the order of programs. */
export function lasting(text: string): Verdict[] {
  const verdicts: Verdict[] = JSON.parse(text);
  return verdicts.map(({ name, kind, state, reason, hooks }) => ({
    name,
    kind,
    state,
    ...(reason !== undefined && { reason }),
    hooks: hooks.map(({ program, hook, state, reason }) => (
      { program, hook, state, ...(reason !== undefined && { reason }) }
    )).sort((a, b) => byText(a.program, b.program)),
  })).sort((a, b) => byText(a.name, b.name));
}

export function readRecords(): Verdicts {
  const names = [...Deno.readDirSync(RECORDS)].map(({ name }) => name.replace(/\.json$/, ""));
  names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  return new Map(
    names.map((name) => [name, lasting(Deno.readTextFileSync(new URL(`${name}.json`, RECORDS)))]),
  );
}

/** The page as `deno fmt` leaves it, which aligns the tables. */
async function formatted(page: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(page));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("deno fmt failed");
  return new TextDecoder().decode(stdout);
}

/** What docs/kernels.md should be. */
export function currentPage(): Promise<string> {
  return formatted(kernelPage(readRecords()));
}

async function main([action, kernel, file]: readonly string[]): Promise<number> {
  if (action !== undefined) {
    if (!["--record", "--check"].includes(action) || kernel === undefined || file === undefined) {
      console.error("Usage: kernel_table.ts [--record KERNEL FILE | --check KERNEL FILE]");
      return 2;
    }
    const record = new URL(`${kernel}.json`, RECORDS);
    const text = JSON.stringify(lasting(await Deno.readTextFile(file)), null, 2) + "\n";
    if (action === "--check") {
      if (await Deno.readTextFile(record) === text) return 0;
      console.error(
        `doctor says else on ${kernel} than docs/kernels.md: scripts/kernel_table.ts --record ${kernel} ${file}`,
      );
      return 1;
    }
    await Deno.mkdir(RECORDS, { recursive: true });
    await Deno.writeTextFile(record, text);
  }
  await Deno.writeTextFile(PAGE, await currentPage());
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
