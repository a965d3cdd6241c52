// SPDX-License-Identifier: MulanPSL-2.0
/** Runs a script in a network namespace of its own, with only lo in it, which ends with the script. */

export interface NetScript<Said> {
  /** Label of the script's process. */
  readonly tgid: string;
  /** The line of JSON that it printed. */
  readonly said: Said;
  end(): Promise<void>;
}

/** Resolves when the script has printed its line; it goes on until its stdin ends. */
export async function startScript<Said>(name: string, ...args: string[]): Promise<NetScript<Said>> {
  const script = new URL(name, import.meta.url).pathname;
  const child = new Deno.Command("unshare", {
    args: ["--net", "sh", "-c", `ip link set lo up && exec python3 "$0" "$@"`, script, ...args],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`${name} ended: ${(await child.status).code}`);
    text += value;
  }
  return {
    tgid: `tgid="${child.pid}"`,
    said: JSON.parse(text),
    async end() {
      await child.stdin.close();
      await child.status;
      await reader.cancel();
    },
  };
}
