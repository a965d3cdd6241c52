// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Ends the external probes when the agent was killed and cannot do it itself.
 *
 * One small shell for all probes (`dash`: 0.2 MB of private memory, no CPU at rest) reads the numbers of their
 * process groups from the agent; when the kernel closes that pipe because the agent is gone, it ends the groups.
 * Why not something else:
 * - A parent-death signal must be asked for by the child between fork and exec, where Deno runs no code of ours;
 *   `setpriv --pdeathsig` is not on every host. It also reaches only the process itself, not what it started.
 * - A closed stdin or a broken stdout ends a program only when it reads or prints, and `sleep 3600` does neither.
 * What stays: an agent killed in the milliseconds between a start and the write of its number.
 */

const SHELL = "/bin/sh";
const SCRIPT = `
groups=" "
folders=
while read -r verb what; do
  case $verb in
    guard) groups="$groups$what " ;;
    release) groups="\${groups%% "$what" *} \${groups#* "$what" }" ;;
    folder) folders="$folders$what
" ;;
  esac
done
if [ "$groups" != " " ]; then
  for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
  sleep 1
  for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
fi
IFS="
"
set -f
for folder in $folders; do
  [ -d "$folder" ] || continue
  set +f
  for member in "$folder"/*/cgroup.procs; do
    [ -e "$member" ] || continue
    while read -r pid; do kill -s KILL "$pid" 2>/dev/null; done <"$member"
  done
  for try in 1 2 3 4 5 6 7 8 9 10; do
    rmdir "$folder"/*/ 2>/dev/null
    rmdir "$folder" 2>/dev/null
    [ -d "$folder" ] || break
    sleep 0.3
  done
  set -f
done
exit 0
`;

/** A shell that something keeps killing is not started for ever. */
const MAX_RESTARTS = 3;

const encoder = new TextEncoder();

export class Watchdog {
  readonly #warn: (text: string) => void;
  readonly #groups = new Set<number>();
  readonly #folders = new Set<string>();
  #process: Deno.ChildProcess | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #restarts = 0;
  #gone: Promise<void> = Promise.resolve();
  #told: Promise<void> = Promise.resolve();

  /** Starts nothing before there is a group to guard. */
  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Ends this process group when the agent is gone. */
  guard(group: number): void {
    this.#groups.add(group);
    if (this.#process === undefined) this.#start();
    else this.#tell(`guard ${group}\n`);
  }

  release(group: number): void {
    if (this.#groups.delete(group)) this.#tell(`release ${group}\n`);
  }

  /** Ends what is in the groups of this cgroup, and removes it, when the agent is gone. */
  clear(folder: string): void {
    this.#folders.add(folder);
    this.#tell(`folder ${folder}\n`);
  }

  /** Ends the shell, and with it the groups that were not released. */
  async [Symbol.asyncDispose](): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    this.#process = undefined;
    await writer?.close().catch(ignoreBrokenPipe);
    await this.#gone;
  }

  #start(): void {
    if (this.#restarts > MAX_RESTARTS) return;
    try {
      this.#process = new Deno.Command(SHELL, {
        args: ["-c", SCRIPT, "gala-gopher-watchdog"],
        cwd: "/",
        clearEnv: true,
        env: { PATH: "/usr/bin:/bin" },
        // What ends the agent's group must not end the watchdog.
        detached: true,
        stdin: "piped",
        stdout: "null",
        stderr: "null",
      }).spawn();
    } catch (error) {
      this.#warn(`External probes would outlive a killed agent: cannot start ${SHELL}: ${error}`);
      this.#restarts = MAX_RESTARTS + 1;
      return;
    }
    this.#writer = this.#process.stdin.getWriter();
    this.#gone = this.#watch(this.#process);
    for (const group of this.#groups) this.#tell(`guard ${group}\n`);
    for (const folder of this.#folders) this.#tell(`folder ${folder}\n`);
  }

  async #watch(process: Deno.ChildProcess): Promise<void> {
    const { code, signal } = await process.status;
    if (this.#process !== process) return;
    const writer = this.#writer;
    this.#process = undefined;
    this.#writer = undefined;
    this.#restarts++;
    this.#warn(`Watchdog of the external probes ended (${signal ?? `exit code ${code}`})`);
    await writer?.close().catch(ignoreBrokenPipe);
    if (this.#groups.size > 0) this.#start();
  }

  /** Resolves when the shell has been told of all groups so far. */
  get told(): Promise<void> {
    return this.#told;
  }

  #tell(line: string): void {
    const written = this.#writer?.write(encoder.encode(line)).catch(ignoreBrokenPipe);
    if (written !== undefined) this.#told = written;
  }
}

/** The shell is gone: `#watch` sees that too, and acts. */
function ignoreBrokenPipe(error: unknown): void {
  if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
}
