// SPDX-License-Identifier: MulanPSL-2.0
/** What the compiled program writes to files: metrics of both forms, metadata; and that it follows log rotation. */
import assert from "node:assert/strict";
import { BINARY, finished, parseRows, until, withAgent, withFolder } from "./run_agent.ts";

function linesOf(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).split("\n").filter((line) => line !== "");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

Deno.test("gala-gopher writes metrics and metadata to files while it serves Prometheus", () =>
  withFolder((folder) => {
    const settings = {
      metric: { out_channel: "web_server, logs, json" },
      meta: { out_channel: "logs" },
      egress: { interval: 0.2 },
      ingress: { interval: 0.2 },
      logs: { metric_dir: `${folder}/metrics`, meta_dir: `${folder}/meta` },
      probes: [{ name: "system_meminfo" }, { name: "system_protocols" }],
    };
    return withAgent({ settings }, async ({ page, pid, end }) => {
      const text = `${folder}/metrics/gopher_metrics_1`;
      const json = `${folder}/metrics/gopher_metrics_json_1`;
      const meta = `${folder}/meta/gopher_meta.log`;
      const tables = await until(
        "metadata",
        () => linesOf(meta).length > 0 ? linesOf(meta) : undefined,
      );
      const names = tables.map((line) => JSON.parse(line).meta_name);
      assert.ok(names.includes("system_meminfo") && names.includes("system_tcp"), `${names}`);
      const total = parseRows(await page(), "gala_gopher_mem_total_kB")[0]!;
      const fromText = await until("text", () => {
        return linesOf(text).find((line) => line.startsWith("gala_gopher_mem_total_kB{"));
      });
      assert.match(fromText, new RegExp(` ${total.value} \\d{13}$`));
      const row = await until("JSON of a counter", () => {
        return linesOf(json).map((line) => JSON.parse(line))
          .find(({ table_name }) => table_name === "system_tcp");
      });
      assert.equal(row.entity_name, "system_tcp");
      assert.equal(row.labels.machine_id, total.labels.machine_id);
      const sinceBoot = parseRows(await page(), "gala_gopher_system_tcp_in_segs")[0]!.value;
      assert.ok(Number(row.metrics.in_segs) < sinceBoot / 2, "the increase, not the total");

      await Deno.rename(text, `${folder}/metrics/moved`);
      Deno.kill(pid, "SIGHUP");
      await until("the file, after SIGHUP", () => linesOf(text)[0]);
      assert.equal((await end("SIGTERM")).code, 0);
    });
  }));

Deno.test("gala-gopher doctor ends and writes nothing, also where all channels are on", () =>
  withFolder(async (folder) => {
    const settings = {
      metric: { out_channel: "logs,json,kafka" },
      event: { out_channel: "logs,kafka" },
      meta: { out_channel: "logs,kafka" },
      kafka: { kafka_broker: "127.0.0.1:1", spool_dir: `${folder}/spool` },
      logs: { metric_dir: `${folder}/m`, event_dir: `${folder}/e`, meta_dir: `${folder}/d` },
      probes: [{ name: "system_meminfo" }],
    };
    await Deno.writeTextFile(`${folder}/gala-gopher.yaml`, JSON.stringify(settings));
    const { code, out } = await finished(BINARY, ["doctor", "-c", folder]);
    assert.equal(code, 0);
    assert.match(out, /^system_meminfo \(native\): runs$/m);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["gala-gopher.yaml"]);
  }));
