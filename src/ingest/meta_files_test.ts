// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { metaFilesOf, readCatalogue } from "./meta_files.ts";

const META = (table: string) =>
  `version = "1"; measurements: ( { table_name: "${table}", entity_name: "e",
    fields: ( { description: "d", type: "key", name: "k" } ) } )`;

async function withFiles(files: Readonly<Record<string, string>>, work: (folder: string) => void) {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      const path = `${folder}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(path, text);
    }
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("metaFilesOf prefers the program's own file, then the probe's, then all beside it", async () => {
  const files = {
    "many/redis_probe.py": "",
    "many/redis_probe.meta": "",
    "many/mysql.meta.yaml": "",
    "many/tool": "",
    "bin/python3": "",
    "one/run.sh": "",
    "one/a.meta": "",
    "one/b.meta.yml": "",
    "one/notes.txt": "",
  };
  await withFiles(files, (folder) => {
    const find = (words: string[], name = "x", meta = "") =>
      metaFilesOf({ name, words, folder, meta }).map((file) => file.slice(folder.length + 1));
    const python = `${folder}/bin/python3`;
    assert.deepEqual(find([python, "-u", `${folder}/many/redis_probe.py`, "-p", "1"]), [
      "many/redis_probe.meta",
    ]);
    assert.deepEqual(find([python, "many/redis_probe.py"]), ["many/redis_probe.meta"]);
    assert.deepEqual(find([`${folder}/many/tool`], "mysql"), ["many/mysql.meta.yaml"]);
    assert.deepEqual(find([`${folder}/many/tool`]), ["many/mysql.meta.yaml"]);
    assert.deepEqual(find([`${folder}/one/run.sh`]), ["one/a.meta", "one/b.meta.yml"]);
    assert.deepEqual(find([`${folder}/one/run.sh`], "x", "many/mysql.meta.yaml"), [
      "many/mysql.meta.yaml",
    ]);
    assert.deepEqual(find([`${folder}/one/run.sh`], "x", "one"), ["one/a.meta", "one/b.meta.yml"]);
    assert.deepEqual(find([python, "-c", "print()"]), []);
  });
});

Deno.test("readCatalogue leaves out what is not in order and says so", async () => {
  const event = META("event").replace('"key"', '"string"');
  const files = { "a.meta": META("a"), "b.meta": "version", "c.meta": META("c"), "e.meta": event };
  await withFiles(files, async (folder) => {
    const warnings: string[] = [];
    const yaml = () => assert.fail("no YAML here");
    const tables = await readCatalogue(folder, yaml, (text) => warnings.push(text));
    assert.deepEqual([...tables.keys()], ["a", "c"]);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /b\.meta:1:8/);
    assert.equal((await readCatalogue(`${folder}/none`, yaml, assert.fail)).size, 0);
  });
});
