// SPDX-License-Identifier: MulanPSL-2.0
/**
 * All that the container probe says of the hosts in tests/fixtures/container-*, as a scraper sees it, beside
 * tests/golden. To write the golden files anew: WRITE_GOLDEN=1 deno test -A tests/container_golden_test.ts
 */
import assert from "node:assert/strict";
import { ByteWriter } from "../src/egress/byte_writer.ts";
import { Exposition } from "../src/egress/exposition.ts";
import container from "../src/probes/container.ts";
import { RootFiles } from "../src/sys/host_files.ts";
import { startNative } from "../src/sys/native_runner.ts";
import { RuntimeNames } from "../src/sys/runtime_names.ts";
import { mountAnswers, newStore, settingsOf } from "./run_probe.ts";

const HOSTS = [
  "container-v1-3.10",
  "container-hybrid-5.4",
  "container-v2-5.10",
  "container-v2-6.12",
];
const SIZE = {
  blockBytes: 4096,
  blocks: 1000,
  freeBlocks: 500,
  availableBlocks: 400,
  inodes: 2000,
  freeInodes: 1500,
};

for (const host of HOSTS) {
  Deno.test(`container shows all of ${host}, from another root, as before`, async () => {
    const root = new URL(`fixtures/${host}`, import.meta.url).pathname;
    const golden = new URL(`golden/${host}.txt`, import.meta.url);
    using files = new RootFiles({ root });
    const store = newStore();
    const names = new RuntimeNames(files, { root, clock: () => 0 });
    const calls = mountAnswers(() => ({ state: "known", size: SIZE }));
    const running = startNative(container, {
      store,
      files,
      calls,
      settings: settingsOf(container),
      names,
    });
    // Names and sizes come in the background, and whatever has its turn only now and then has had it by then.
    for (let tick = 1; tick <= 3; tick++) {
      running.tick(tick * 5000);
      await names.settled();
    }
    const writer = new ByteWriter(1);
    await new Exposition(store).encode("text", writer, []);
    const page = new TextDecoder().decode(writer.written);
    if (Deno.env.has("WRITE_GOLDEN")) await Deno.writeTextFile(golden, page);
    // Which process is listed first is the file system's choice.
    const sorted = (text: string) => text.split("\n").sort();
    assert.deepEqual(sorted(page), sorted(await Deno.readTextFile(golden)));
  });
}
