// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ConfigError, Unsupported } from "../core/errors.ts";
import { resolveCommand, splitCommandLine } from "./command_line.ts";

const PLACE = { file: "gala-gopher.conf", line: 7, column: 3 };

Deno.test("splitCommandLine splits at blanks and honours quotes and backslashes", () => {
  const cases: readonly (readonly [text: string, words: readonly string[]])[] = [
    ["python3 /opt/x/redis.py -p 6379", ["python3", "/opt/x/redis.py", "-p", "6379"]],
    ["  a\tb \n c  ", ["a", "b", "c"]],
    [`sh -c 'a "b" $HOME | wc -l'`, ["sh", "-c", `a "b" $HOME | wc -l`]],
    [`a "b c"d'e f'\\ g`, ["a", "b cde f g"]],
    [`"a\\"b\\\\c\\d\\$e"`, [`a"b\\c\\d$e`]],
    [`a "" ''`, ["a", "", ""]],
    [`a \\"x\\" \\$y \\|`, ["a", `"x"`, "$y", "|"]],
    ["a --glob=* ~ # \\\\", ["a", "--glob=*", "~", "#", "\\"]],
    ["программа «ёлка»", ["программа", "«ёлка»"]],
  ];
  for (const [text, words] of cases) assert.deepEqual(splitCommandLine(text, PLACE), words, text);
});

Deno.test("splitCommandLine refuses what is unfinished, empty or meant for a shell", () => {
  const cases: readonly (readonly [text: string, message: RegExp])[] = [
    [`a "b`, /^gala-gopher\.conf:7:3: quote is not closed: "b; allowed: "/],
    [`a 'b\\'c'`, /quote is not closed: '/],
    ["a \\", /backslash at the end/],
    ["", /empty command/],
    ["   ", /empty command/],
    ["a\0b", /NUL/],
    ["a | b", /"\|" in the command, which runs without a shell; allowed: .*sh -c/],
    ["java -cp $JAVA_HOME/x", /"\$" in the command/],
    ['java -cp "$JAVA_HOME/x"', /"\$" in the command/],
    ["a; b", /";" in/],
    ["a > /dev/null", /">" in/],
    ["a & b", /"&" in/],
    ["a `b`", /"`" in/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => splitCommandLine(text, PLACE), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, message);
      return true;
    }, text);
  }
});

Deno.test("splitCommandLine takes variables as whole words, and nothing else that a shell expands", () => {
  const variables = { JAVA_HOME: "/opt/a b;c", EMPTY: "" };
  const split = (text: string) => splitCommandLine(text, PLACE, variables);
  assert.deepEqual(split("java -cp $JAVA_HOME/lib:${JAVA_HOME} X"), [
    "java",
    "-cp",
    "/opt/a b;c/lib:/opt/a b;c",
    "X",
  ]);
  assert.deepEqual(split(`a "$JAVA_HOME" '$JAVA_HOME' $EMPTY`), [
    "a",
    "/opt/a b;c",
    "$JAVA_HOME",
    "",
  ]);
  assert.throws(() => split("a $HOME_OF_NOBODY"), Unsupported);
  assert.throws(() => split('a "$HOME_OF_NOBODY"'), Unsupported);
  for (
    const text of ["a $(id)", 'a "$(id)"', "a $", "a ${JAVA_HOME", "a `id`", "a $JAVA_HOME; id"]
  ) {
    assert.throws(() => split(text), ConfigError, text);
  }
});

Deno.test("resolveCommand looks beside the configuration, then in the original's folder, then in PATH", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const part of ["conf/sub", "extend", "bin"]) {
      await Deno.mkdir(`${folder}/${part}`, { recursive: true });
    }
    const write = (path: string, mode: number) =>
      Deno.writeTextFile(`${folder}/${path}`, "#!/bin/sh\n", { mode });
    await Promise.all([
      write("conf/one", 0o755),
      write("conf/sub/one", 0o755),
      write("conf/plain", 0o644),
      write("extend/one", 0o755),
      write("extend/two", 0o755),
      write("bin/two", 0o755),
      write("bin/three", 0o755),
    ]);
    const places = {
      configFolder: `${folder}/conf`,
      path: `relative:${folder}/bin`,
      extendProbesFolder: `${folder}/extend`,
    };
    const find = (program: string) => resolveCommand(program, places);
    assert.equal(await find("one"), `${folder}/conf/one`);
    assert.equal(await find("sub/one"), `${folder}/conf/sub/one`);
    assert.equal(await find("./one"), `${folder}/conf/one`);
    assert.equal(await find("two"), `${folder}/extend/two`);
    assert.equal(await find("three"), `${folder}/bin/three`);
    assert.equal(await find(`${folder}/bin/two`), `${folder}/bin/two`);
    const refused = (program: string, message: RegExp) =>
      assert.rejects(find(program), (error) => {
        assert.ok(error instanceof Unsupported && error.mend !== undefined);
        assert.match(error.message, message);
        return true;
      });
    await refused("four", /Cannot run "four": there is no such file in .*conf, .*extend, .*bin$/);
    await refused("sub/three", /there is no such file in [^ ]*conf, [^ ]*extend$/);
    await refused("/nowhere/x", /Cannot run "\/nowhere\/x": there is no such file$/);
    await refused("one/below", /there is no such file/);
    await refused("plain", /"[^"]*conf\/plain" is not executable/);
    await refused("sub", /"[^"]*conf\/sub" is no file/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
