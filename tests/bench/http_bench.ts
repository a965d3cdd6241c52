// SPDX-License-Identifier: MulanPSL-2.0
/**
 * How long another request waits while pages of 50,000 series are encoded, compressed and sent, and requests a second
 * of a small page. The server is a process of its own; pages are fetched by curl, load comes from wrk.
 * Run: deno run --allow-all tests/bench/http_bench.ts
 */
const RUNS = 30;
const LOOK_EVERY_MS = 3;
const SERVER = new URL("./http_bench_server.ts", import.meta.url).pathname;
const PROBE = new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");

async function withServer(
  args: string[],
  work: (port: number, pid: number) => Promise<void>,
): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", SERVER, ...args],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  try {
    await work(Number(value), child.pid);
  } finally {
    child.kill("SIGTERM");
    await child.status;
    await reader.cancel();
  }
}

async function curl(port: number, ...options: string[]): Promise<number> {
  const url = `http://127.0.0.1:${port}/metrics`;
  const { stdout } = await new Deno.Command("curl", {
    args: ["-s", "-o", "/dev/null", "-w", "%{time_total}", ...options, url],
  }).output();
  return Number(new TextDecoder().decode(stdout)) * 1000;
}

/** Waits of small requests, one after the other, as long as `busy` lasts. */
async function waits(port: number, busy: Promise<unknown>): Promise<number[]> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay(true);
  const buffer = new Uint8Array(4096);
  const times: number[] = [];
  let over = false;
  busy.finally(() => over = true);
  while (!over) {
    const start = performance.now();
    await conn.write(PROBE);
    await conn.read(buffer);
    times.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  conn.close();
  return times;
}

function quantile(numbers: number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return Number(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(2));
}

function waitColumns(times: number[]): Record<string, number> {
  return {
    "looks": times.length,
    "wait ms, median": quantile(times, 0.5),
    "99 %": quantile(times, 0.99),
    "longest": quantile(times, 1),
  };
}

async function rest(port: number): Promise<number[]> {
  return await waits(port, new Promise((resolve) => setTimeout(resolve, 1000)));
}

async function requestsPerSecond(port: number, path: string): Promise<number> {
  const { stdout } = await new Deno.Command("wrk", {
    args: ["-t1", "-c10", "-d2s", `http://127.0.0.1:${port}${path}`],
  }).output();
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(new TextDecoder().decode(stdout))?.[1]);
}

function anonKb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1]);
}

const table: Record<string, string | number>[] = [];
await withServer(["50000", "anew"], async (port) => {
  const forms: [string, string[]][] = [["plain", []], ["gzip", ["-H", "Accept-Encoding: gzip"]]];
  await curl(port);
  const idle = await rest(port);
  table.push({ what: "no scrape", ...waitColumns(idle) });
  for (const [name, options] of forms) {
    const times: number[] = [];
    const scrapes = (async () => {
      for (let run = 0; run < RUNS; run++) times.push(await curl(port, ...options));
    })();
    const seen = await waits(port, scrapes);
    table.push({
      what: `50,000 series, ${name}`,
      "scrape ms, median": quantile(times, 0.5),
      ...waitColumns(seen),
    });
  }
});
await withServer(["1000"], async (port, pid) => {
  for (const path of ["/healthz", "/metrics"]) {
    const perSecond = await requestsPerSecond(port, path);
    table.push({
      what: `wrk ${path}, 1,000 series`,
      "requests/s": Math.round(perSecond),
      "anon MB after": Math.round(anonKb(pid) / 1024),
    });
  }
});
console.table(table);
