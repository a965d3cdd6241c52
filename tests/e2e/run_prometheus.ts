// SPDX-License-Identifier: MulanPSL-2.0
/** A real Prometheus server that reads the agent under test, and what it answers. */
import assert from "node:assert/strict";
import { type Agent, freePort, withFolder } from "./run_agent.ts";

export interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

export interface Prometheus {
  readonly port: number;
  /** The samples of an instant query; none while it is still starting. */
  query(expression: string): Promise<Sample[]>;
}

async function startServer(folder: string, target: number, port: number, intervalS: number) {
  const interval = `${intervalS}s`;
  const config = {
    global: { scrape_interval: interval, scrape_timeout: interval },
    scrape_configs: [
      { job_name: "gala", static_configs: [{ targets: [`127.0.0.1:${target}`] }] },
    ],
  };
  await Deno.writeTextFile(`${folder}/prometheus.yml`, JSON.stringify(config));
  return new Deno.Command("prometheus", {
    args: [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}

async function ask(port: number, expression: string): Promise<Sample[]> {
  const parameters = new URLSearchParams({ query: expression });
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?${parameters}`);
  const text = await response.text();
  // 503 while it is still starting; any other refusal is of the expression.
  if (response.status === 503) return [];
  const answer = JSON.parse(text) as { status: string; data: { result: Sample[] } };
  assert.equal(answer.status, "success", text);
  return answer.data.result;
}

/** A server that reads the agent every so many seconds, and ends with the work. */
export function withPrometheus(
  agent: Agent,
  work: (prometheus: Prometheus) => Promise<void>,
  intervalS = 1,
): Promise<void> {
  return withFolder(async (folder) => {
    const port = freePort();
    const server = await startServer(folder, agent.port, port, intervalS);
    let ended = false;
    const status = server.status.finally(() => ended = true);
    const query = async (expression: string) => {
      assert.ok(!ended, "prometheus ended");
      try {
        return await ask(port, expression);
      } catch (error) {
        if (error instanceof TypeError) return []; // it does not listen yet
        throw error;
      }
    };
    try {
      await work({ port, query });
    } finally {
      if (!ended) server.kill("SIGKILL");
      await status;
    }
  });
}
