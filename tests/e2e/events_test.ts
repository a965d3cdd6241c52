// SPDX-License-Identifier: MulanPSL-2.0
/** Events of the compiled program: of a threshold, of the system log and of a third-party probe, on every way out. */
import assert from "node:assert/strict";
import { until, withAgent, withFolder } from "./run_agent.ts";

interface EventJson {
  Attributes: { entity_id: string; event_state: string };
  Resource: { metric: string };
  SeverityText: string;
}

Deno.test("gala-gopher reports events to /events, to files and as counts", () =>
  withFolder(async (folder) => {
    const log = `${folder}/messages`;
    await Deno.writeTextFile(log, "");
    const line = "|event|thing|t1|broken|ERROR|17|It broke.|";
    await Deno.writeTextFile(
      `${folder}/t.meta`,
      'version = "1.0.0"\nmeasurements: ({ table_name: "t", entity_name: "t", fields: (' +
        '{ description: "k", type: "key", name: "k" }, { description: "v", type: "gauge", name: "v" }) })\n',
    );
    const settings = {
      event: { out_channel: "logs" },
      logs: { event_dir: `${folder}/event` },
      ingress: { interval: 0.1 },
      probes: [
        { name: "system_meminfo", settings: { report_event: 1, res_lower_thr: 100 } },
        { name: "event", settings: { path: log } },
      ],
      extend_probes: [{
        name: "thing",
        command: `/bin/sh -c "echo '${line}'; echo '${line}'; echo '|event|bad|'; exec sleep 1000"`,
        meta: `${folder}/t.meta`,
      }],
    };
    await withAgent({ settings }, async ({ port, page, end }) => {
      const events = async (metric: string) => {
        const response = await fetch(`http://127.0.0.1:${port}/events`);
        const all = await response.json() as EventJson[];
        return all.find(({ Resource }) => Resource.metric === `gala_gopher_${metric}`);
      };
      const memory = await until("a threshold", () => events("mem_util"));
      assert.match(memory.Attributes.entity_id, /_mem_:proc:meminfo$/);
      assert.equal(
        (await until("a third-party event", () => events("thing_broken"))).SeverityText,
        "ERROR",
      );
      await Deno.writeTextFile(
        log,
        "Nov 23 12:00:01 h systemd[1]: x.service: Main process exited, code=dumped, status=6/ABRT\n",
        { append: true },
      );
      await until("the system log", () => events("service_exit_code"));
      const text = await page();
      assert.match(text, /gala_gopher_agent_events_total{entity="thing",severity="ERROR"} 1\n/);
      assert.match(
        text,
        /gala_gopher_agent_events_suppressed_total{entity="thing",severity="ERROR"} 1\n/,
      );
      assert.match(
        text,
        /gala_gopher_agent_probe_lost_total{probe="thing",reason="bad_event"} 1\n/,
      );
      assert.equal((await end("SIGTERM")).code, 0);
      const file = await Deno.readTextFile(`${folder}/event/gopher_event_1`);
      const written = file.trim().split("\n").map((json) => JSON.parse(json).Resource.metric);
      assert.ok(
        written.includes("gala_gopher_mem_util") && written.includes("gala_gopher_thing_broken"),
      );
    });
  }));
