// SPDX-License-Identifier: MulanPSL-2.0
/** A real Prometheus server reads the compiled program, and promtool judges its page. */
import assert from "node:assert/strict";
import { EXAMPLE, memTotalKb, until, withAgent } from "./run_agent.ts";
import { withPrometheus } from "./run_prometheus.ts";
import { promtool } from "../promtool.ts";

Deno.test("a Prometheus server has the agent up, with the values of /proc", async () => {
  const settings = { ingress: { interval: 1 } };
  await withAgent({ settings }, async (agent) => {
    await withPrometheus(agent, async ({ query }) => {
      await until("target up", async () => {
        const [up] = await query("up");
        return up?.value[1] === "1" || undefined;
      });
      const [memory, ...more] = await query("gala_gopher_mem_total_kB");
      assert.deepEqual(more, []);
      assert.equal(Number(memory!.value[1]), memTotalKb());
      assert.equal(memory!.metric.hostname, Deno.hostname());
      const cpus = Deno.readTextFileSync("/proc/stat").match(/^cpu\d+ /gm)!.length;
      const [count] = await query("count(gala_gopher_cpu_user_total_second)");
      assert.equal(Number(count!.value[1]), cpus);
      // Its own connection to the agent, as eBPF saw it, once a scrape has been answered.
      const rx = `sum(gala_gopher_tcp_link_tx_bytes{role="0",server_port="${agent.port}"}) > 0`;
      await until("bytes sent to Prometheus", async () => (await query(rx))[0]);
      const lost = await query("scrape_samples_scraped - scrape_samples_post_metric_relabeling");
      assert.equal(Number(lost[0]!.value[1]), 0);
    });
  });
});

/** What promtool says of names that are the original's, and stay. */
const OF_NAMES = new RegExp(
  [
    "non-histogram and non-summary metrics should not have",
    'counter metrics should have "_total" suffix',
    'non-counter metrics should not have "_total" suffix',
    "metric names should not contain abbreviated units",
    "(metric|label) names should be written in 'snake_case' not 'camelCase'",
    "use base unit",
    "metric name should not include type",
  ].join("|"),
);

Deno.test("promtool parses the page and complains of nothing but the original's names", async () => {
  const settings = { extend_probes: [{ name: "example", command: EXAMPLE }] };
  await withAgent({ settings }, async (agent) => {
    const page = await until("rows of all probes", async () => {
      const text = await agent.page();
      const all = ["cpu_rcu", "tcp_link_tx_bytes", "example_memory_usage", "agent_build_info"];
      return all.every((name) => text.includes(`\ngala_gopher_${name}{`)) ? text : undefined;
    });
    const { code, complaints } = await promtool(page);
    // 3 is "there are complaints"; 1 would be "cannot be parsed".
    assert.ok(code === 0 || code === 3, complaints.join("\n"));
    assert.ok(complaints.length > 0, "the original's names are not there");
    for (const line of complaints) {
      assert.match(line, /^gala_gopher_(?!agent_)\w+ /);
      assert.match(line, OF_NAMES);
    }
    const broken = await promtool(`${page}gala_gopher_broken{a="b} 1\n`);
    assert.equal(broken.code, 1, broken.complaints.join("\n"));
  });
});
