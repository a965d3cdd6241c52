// SPDX-License-Identifier: MulanPSL-2.0
/** Files of each file system by the task probe: known work on an image of the test's own, in its own mount namespace. */
import assert from "node:assert/strict";
import task from "../../src/probes/task.ts";
import { Shell, TaskRig } from "./task_rig.ts";

const WRITES = 31;
const READS = 23;
const MB = 1024 * 1024;

interface FileSystem {
  /** As in the table's name. */
  readonly name: string;
  /** Fails where the host lacks it; the folder is a tmpfs that is this process's alone. */
  readonly mount: readonly (readonly string[])[];
  readonly imageMb?: number;
  readonly operations: readonly string[];
}

const ALL = ["read", "write", "open", "flush"];
const onImage = (name: string, imageMb: number, ...options: string[]): FileSystem => ({
  name,
  imageMb,
  mount: [[`mkfs.${name}`, ...options, "image"], ["mount", "-o", "loop", "image", "files"]],
  operations: ALL,
});

const FILE_SYSTEMS: readonly FileSystem[] = [
  { name: "tmpfs", mount: [], operations: ["read", "write", "flush"] },
  {
    name: "overlay",
    mount: [[
      ...["mount", "-t", "overlay", "overlay", "-o"],
      "lowerdir=lower,upperdir=upper,workdir=work",
      "files",
    ]],
    operations: ALL,
  },
  onImage("ext4", 16, "-q", "-F"),
  onImage("xfs", 320, "-q"),
  onImage("btrfs", 128, "-q"),
];

/** A Perl in a mount namespace of its own, whose working folder is a tmpfs there. */
class MountedPerl extends Shell {
  constructor() {
    super("unshare", ["-m", "perl", "-e", '$| = 1; while (<STDIN>) { eval; print "done:0\\n"; }']);
  }

  override run(line: string): Promise<string> {
    return this.send(`${line}\n`);
  }

  /** What the commands say when one fails; empty when all went well. */
  async commands(commands: readonly (readonly string[])[]): Promise<string> {
    for (const words of commands) {
      const quoted = words.map((word) => `'${word}'`).join(" ");
      const answer = await this.run(`print \`${quoted} 2>&1\`, $? ? " failed\\n" : ""`);
      if (answer.includes("failed")) return `${words[0]}: ${answer.trim() || "not installed"}`;
    }
    return "";
  }
}

for (const { name, mount, imageMb = 1, operations } of FILE_SYSTEMS) {
  Deno.test(`task times ${WRITES} writes and ${READS} reads of a file of ${name}`, async () => {
    await using perl = new MountedPerl();
    const failed = await perl.commands([
      ["mount", "-t", "tmpfs", "-o", "size=400m", "none", "/mnt"],
    ]);
    assert.equal(failed, "");
    // Its modules may lie on a file system of the same kind, and so are loaded before.
    await perl.run(`use IO::Handle; chdir "/mnt"; mkdir $_ for qw(files lower upper work)`);
    await perl.run(`open $i, ">", "image"; truncate $i, ${imageMb * MB}; close $i`);
    const refused = await perl.commands(mount);
    if (refused !== "") return console.log(`This host has no ${name}: ${refused}`);
    await using rig = await TaskRig.start(task, {
      tables: [`proc_${name}`, "proc_fs_time"],
      settings: { observe_names: "", observe_pids: `${perl.pid}` },
    });
    await rig.read();
    await perl.run(
      `open $f, "+>", "files/f"; for (1..${WRITES}) { syswrite $f, "a" }` +
        ` $f->sync; sysseek $f, 0, 0; for (1..${READS}) { sysread $f, $x, 1 } close $f`,
    );
    await rig.read();
    const of = { tgid: perl.pid, fs: name };
    const count = (operation: string) =>
      rig.histogram("proc_fs_time", `${operation}_seconds`, of).count;
    assert.deepEqual(ALL.map(count), [READS, WRITES, 1, 1]);
    const longest = rig.row(`proc_${name}`, { tgid: perl.pid, comm: "perl" });
    for (const operation of operations) {
      const sum = rig.histogram("proc_fs_time", `${operation}_seconds`, of).sum;
      const ns = longest[`ns_${name}_${operation}`]!;
      assert.ok(ns > 0 && ns * 1e-9 <= sum * 1.000001, `${operation}: ${ns} ns of ${sum} s`);
    }
    await rig.read();
    assert.equal(rig.row(`proc_${name}`)[`ns_${name}_read`], 0, "of a period");
    assert.equal(count("read"), READS, "totals stay");
  });
}
