// SPDX-License-Identifier: MulanPSL-2.0
/** The compiled program and a real collector: rotel, which is written by others in another language. */
import assert from "node:assert/strict";
import { EXAMPLE, freePort, parseRows, ROOT, until, withAgent, withFolder } from "./run_agent.ts";

const ROTEL = `${ROOT}.tools/rotel/rotel/rotel-agent`;

/** What the collector has received, as it prints it. */
class Collector implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  printed = "";

  constructor(port: number) {
    const args = [
      "start",
      "--exporter",
      "blackhole",
      "--debug-log",
      "metrics",
      "--debug-log",
      "logs",
    ];
    const places = ["--otlp-http-endpoint", `127.0.0.1:${port}`];
    const unused = ["--otlp-grpc-endpoint", `127.0.0.1:${freePort()}`];
    this.#child = new Deno.Command(ROTEL, {
      args: [...args, "--debug-log-verbosity", "detailed", ...places, ...unused],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#reading = this.#child.stdout.pipeThrough(new TextDecoderStream())
      .pipeTo(new WritableStream({ write: (text) => void (this.printed += text) }));
  }

  /** Values of a metric's points, each with its attributes, in order. */
  points(metric: string) {
    const about = this.printed.split(/^Metric #\d+$/m).filter((text) =>
      text.includes(`Name: ${metric}\n`)
    );
    return about.flatMap((text) =>
      text.split(/^NumberDataPoints #\d+$/m).slice(1).map((point) => ({
        attributes: Object.fromEntries(
          [...point.matchAll(/-> (\S+): Str\((.*)\)/g)].map(([, key, value]) => [key, value]),
        ),
        value: Number(/^Value: (.*)$/m.exec(point)?.[1]),
      }))
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#reading;
  }
}

const META = 'version = "1.0.0"\nmeasurements: ({ table_name: "t", entity_name: "t", fields: (' +
  '{ description: "k", type: "key", name: "k" }, { description: "v", type: "gauge", name: "v" }) })\n';
const EVENTS = `#!/bin/sh
echo '|event|nic|eth0|tx_dropped|WARN|13|first|'
sleep 1
echo '|event|nic|eth1|tx_dropped|WARN|13|second|'
sleep 60
`;

Deno.test("gala-gopher sends metrics and events to a collector, also what happened while it was away", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/events.sh`, EVENTS);
    await Deno.writeTextFile(`${folder}/t.meta`, META);
    const port = freePort();
    const settings = {
      metric: { out_channel: "web_server,otlp" },
      event: { out_channel: "otlp", timeout: 0 },
      egress: { interval: 0.2 },
      ingress: { interval: 0.2 },
      otlp: { endpoint: `http://127.0.0.1:${port}/` },
      probes: [{ name: "system_meminfo" }, { name: "system_protocols" }],
      extend_probes: [
        { name: "example", command: EXAMPLE },
        { name: "events", command: `/bin/sh ${folder}/events.sh`, meta: `${folder}/t.meta` },
      ],
    };
    await withAgent({ settings }, async (agent) => {
      await until("a word on it", () => agent.log().includes("does not take lines") || undefined);
      const waiting = async () =>
        parseRows(await agent.page(), "gala_gopher_agent_output_waiting_bytes")
          .find(({ labels }) => labels.kind === "event" && labels.channel === "otlp")?.value ||
        undefined;
      await until("an event that waits", waiting);
      await using collector = new Collector(port);
      await until(
        "the second event",
        () => collector.printed.includes("Body: Str(second)") || undefined,
      );
      assert.match(collector.printed, /Body: Str\(first\)/);
      assert.match(collector.printed, /SeverityNumber: SEVERITY_NUMBER_WARN\(13\)/);
      assert.match(collector.printed, /-> metric: Str\(gala_gopher_nic_tx_dropped\)/);
      const [total] = await agent.rows("gala_gopher_mem_total_kB");
      const point = await until("a gauge", () => collector.points("gala_gopher_mem_total_kB")[0]);
      assert.equal(point.value, total!.value);
      const sinceBoot = (await agent.rows("gala_gopher_system_tcp_in_segs"))[0]!.value;
      const counted = await until(
        "a counter",
        () => collector.points("gala_gopher_system_tcp_in_segs").at(-1),
      );
      assert.ok(counted.value > sinceBoot / 2 && counted.value <= sinceBoot * 2, "the total");
      assert.match(
        collector.printed,
        new RegExp(`-> host.id: Str\\(${total!.labels.machine_id}\\)`),
      );
      const lost = parseRows(await agent.page(), "gala_gopher_agent_output_lost_total")
        .filter(({ labels, value }) => labels.channel === "otlp" && value > 0);
      assert.deepEqual(lost, []);
      assert.equal((await agent.end("SIGTERM")).code, 0);
      assert.equal(agent.log().match(/does not take lines/g)!.length <= 2, true, agent.log());
    });
  }));

Deno.test("gala-gopher counts what a collector refuses, tries again what it cannot take now, and says so once", () =>
  withFolder(async () => {
    const answers = [503, 400, 200];
    const seen: number[] = [];
    const server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      async (request) => {
        await request.arrayBuffer();
        assert.equal(request.headers.get("authorization"), "Bearer x");
        const status = answers[Math.min(seen.length, answers.length - 1)]!;
        seen.push(status);
        return new Response("{}", { status, headers: { "retry-after": "1" } });
      },
    );
    const settings = {
      metric: { out_channel: "web_server,otlp" },
      egress: { interval: 0.2 },
      ingress: { interval: 0.2 },
      otlp: {
        endpoint: `http://127.0.0.1:${server.addr.port}`,
        headers: "Authorization=Bearer x",
        compression: "none",
      },
      probes: [{ name: "system_meminfo" }],
    };
    await withAgent({ settings }, async (agent) => {
      await until("all answers", () => seen.length > 4 || undefined);
      const lost = parseRows(await agent.page(), "gala_gopher_agent_output_lost_total")
        .filter(({ labels, value }) => labels.channel === "otlp" && value > 0);
      assert.deepEqual(lost.map(({ labels }) => labels.reason), ["refused"]);
      assert.equal(
        agent.log().match(/does not take lines for \/v1\/metrics: HTTP 503/g)?.length,
        1,
      );
      assert.equal(agent.log().match(/refuses lines of \/v1\/metrics: HTTP 400/g)?.length, 1);
      assert.equal((await agent.end("SIGTERM")).code, 0);
    });
    await server.shutdown();
  }));
