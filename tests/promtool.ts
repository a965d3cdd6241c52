// SPDX-License-Identifier: MulanPSL-2.0
/** What Prometheus' own checker says of a page. */

export interface Judgement {
  readonly code: number;
  readonly complaints: readonly string[];
}

export async function promtool(page: string): Promise<Judgement> {
  const child = new Deno.Command("promtool", {
    args: ["check", "metrics"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(page));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  const lines = (decoder.decode(stdout) + decoder.decode(stderr)).split("\n");
  return { code, complaints: lines.filter((line) => line !== "") };
}
