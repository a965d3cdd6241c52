// SPDX-License-Identifier: MulanPSL-2.0
/** What several benches measure with. */
import process from "node:process";

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

/** CPU time of this process. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

export interface Memory {
  readonly rss: number;
  readonly anon: number;
  readonly fds: number;
  readonly maps: number;
}

/** Memory in MB. */
export function memoryOf(pid: number): Memory {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const megabytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1024;
  return {
    rss: megabytes("VmRSS"),
    anon: megabytes("RssAnon"),
    fds: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
    maps: Deno.readTextFileSync(`/proc/${pid}/maps`).split("\n").length - 1,
  };
}

/** One page, on a connection that is kept as Prometheus keeps it; undefined while nobody listens. */
export async function scrape(port: number, zipped: boolean): Promise<string | undefined> {
  const headers = { "accept-encoding": zipped ? "gzip" : "identity" };
  let response: Response;
  try {
    response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers });
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
  const page = await response.text();
  if (response.status !== 200) throw new Error(`${port}: ${response.status} ${page}`);
  return page;
}

export function series(page: string): number {
  return page.split("\n").filter((line) => line !== "" && line[0] !== "#").length;
}
