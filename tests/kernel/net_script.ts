// SPDX-License-Identifier: MulanPSL-2.0
/** Runs a script in a network namespace of its own, with only lo in it, which ends with the script. */

export interface NetScript<Said> {
  /** Label of the script's process. */
  readonly tgid: string;
  /** The line of JSON that it printed. */
  readonly said: Said;
  /** Lets it go on, with a word if it wants one, and resolves with the next line that it prints. */
  next<Next>(word?: string): Promise<Next>;
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
  const stdin = child.stdin.getWriter();
  let text = "";
  const line = async () => {
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`${name} ended: ${(await child.status).code}`);
      text += value;
    }
    const end = text.indexOf("\n");
    const first = text.slice(0, end);
    text = text.slice(end + 1);
    return JSON.parse(first);
  };
  return {
    tgid: `tgid="${child.pid}"`,
    said: await line(),
    async next(word = "") {
      await stdin.write(new TextEncoder().encode(`${word}\n`));
      return await line();
    },
    async end() {
      await stdin.close();
      await child.status;
      await reader.cancel();
    },
  };
}
