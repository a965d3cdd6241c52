// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Size, inodes and health of mounted file systems, as df shows them: from mountinfo of the host's first mount namespace
 * (of this process's own, where the host's root is not mounted elsewhere) and statfs.
 *
 * A mount that does not answer loses its row in the tables of sizes and is counted in that of mounts, with the time
 * since it was asked; the other rows go on. Each file system is shown once, at its shortest path.
 */
import {
  ENGINE_MOUNTS,
  type FileSystem,
  isPseudo,
  parseMountinfo,
  visibleFileSystems,
} from "../core/mountinfo.ts";
import { gauge, nativeProbe, raises, table } from "../core/declare.ts";
import type { MountSize, Writers } from "../core/probe.ts";
import { PATTERN } from "../core/setting_format.ts";
import { textKey } from "../core/setting_key.ts";

/** Mounts that are asked in one reading; a host with more has them from containers. */
const MAX_MOUNTS = 512;
const BYTES_PER_KB = 1024;

const SIZES = {
  IUsed: gauge("Inodes in use.", "count"),
  IFree: gauge("Free inodes.", "count"),
  IUsePer: gauge("Inodes in use, rounded up as df does.", "percent"),
  Used: gauge("Space in use, in 1024 bytes.", "kB"),
  Free: gauge("Space free for others than root, in 1024 bytes.", "kB"),
  UsePer: gauge("Space in use of what is not root's own, rounded up as df does.", "percent"),
};

const tables = {
  // The older and the newer state of the original name the same numbers differently.
  system_df: table({
    entity: "file_system",
    keys: ["MountOn"],
    labels: ["File_sys", "Inodes", "Blocks"],
    metrics: SIZES,
  }),
  fs_df: table({
    entity: "fs",
    version: "1.0.1",
    keys: ["MountOn"],
    labels: ["MountStatus", "Fsname", "Fstype", "Inodes", "Blocks"],
    metrics: {
      ...SIZES,
      IUsePer: raises(SIZES.IUsePer, { above: "res_upper_thr", says: "Inodes in use" }),
      UsePer: raises(SIZES.UsePer, { above: "res_upper_thr", says: "Space in use" }),
    },
  }),
  system_mount: table({
    entity: "mount",
    keys: ["mount_point"],
    labels: ["device", "fs_type"],
    metrics: {
      size_bytes: gauge("Size of the file system.", "bytes"),
      free_bytes: gauge("Free space, that which only root may use included.", "bytes"),
      available_bytes: gauge("Free space for others than root.", "bytes"),
      inodes: gauge("Inodes that there may be.", "count"),
      free_inodes: gauge("Free inodes.", "count"),
      read_only: gauge("1 if nothing can be written, else 0.", "boolean"),
      stalled_seconds: gauge("Time for which it has not answered; 0 for one that does.", "seconds"),
    },
  }),
};

export default nativeProbe({
  name: "system_fs",
  help: "Size, inodes and health of mounted file systems, from mountinfo and statfs.",
  partOf: ["system_infos", "baseinfo"],
  capabilities: { CAP_DAC_READ_SEARCH: "file systems mounted below closed folders" },
  tables,
  settings: {
    skip: textKey(
      ENGINE_MOUNTS,
      "Regular expression of mount points that are not asked for their size.",
      { format: PATTERN },
    ),
  },
  open(files, settings, { calls }) {
    files.read("proc/self/mountinfo");
    const skip = settings.pattern("skip");
    const losses = { stalled_mounts: 0, refused_mounts: 0, mounts_over_limit: 0 };
    const wanted = wantedMounts(skip);
    return {
      losses: () => ({ ...losses }),
      async read(rows) {
        const all = wanted(files.read("proc/self/mountinfo"));
        const mounts = all.slice(0, MAX_MOUNTS);
        losses.mounts_over_limit += all.length - mounts.length;
        const answers = await calls.mountSizes(mounts);
        mounts.forEach((mount, i) => {
          const answer = answers[i]!;
          if (answer.state === "known") writeSizes(rows, mount, answer.size);
          else if (answer.state === "refused") losses.refused_mounts++;
          else {
            losses.stalled_mounts++;
            writeMount(rows, mount).set("stalled_seconds", answer.seconds);
          }
        });
      },
    };
  },
});

type Rows = Writers<typeof tables>;

/** The list is made anew only when the text has changed, which is rare. */
function wantedMounts(skip: RegExp): (bytes: Uint8Array) => readonly FileSystem[] {
  let text = new Uint8Array(0);
  let mounts: readonly FileSystem[] = [];
  return (bytes) => {
    if (bytes.length !== text.length || bytes.some((byte, i) => byte !== text[i])) {
      text = bytes.slice();
      mounts = visibleFileSystems(
        parseMountinfo(bytes).filter(({ path, type }) => !isPseudo(type) && !skip.test(path)),
      );
    }
    return mounts;
  };
}

function writeMount({ system_mount }: Rows, { path, source, type, isReadOnly }: FileSystem) {
  return system_mount.row(path, source, type).set("read_only", isReadOnly ? 1 : 0);
}

function writeSizes(rows: Rows, mount: FileSystem, size: MountSize): void {
  const { blockBytes, blocks, freeBlocks, availableBlocks, inodes, freeInodes } = size;
  // As for df: what has no space is no file system to fill.
  if (!(blocks > 0)) return;
  writeMount(rows, mount)
    .set("stalled_seconds", 0)
    .set("size_bytes", blocks * blockBytes)
    .set("free_bytes", freeBlocks * blockBytes)
    .set("available_bytes", availableBlocks * blockBytes)
    .set("inodes", inodes)
    .set("free_inodes", freeInodes);
  const kilobytes = (count: number) => Math.ceil(count * blockBytes / BYTES_PER_KB);
  const { path, source, type, isReadOnly } = mount;
  const totals = [String(inodes), String(kilobytes(blocks))];
  for (
    const row of [
      rows.system_df.row(path, source, ...totals),
      rows.fs_df.row(path, isReadOnly ? "ro" : "rw", source, type, ...totals),
    ]
  ) {
    row.set("Used", kilobytes(blocks - freeBlocks))
      .set("Free", kilobytes(availableBlocks))
      .set("UsePer", usedPercent(blocks - freeBlocks, availableBlocks))
      .set("IUsed", inodes - freeInodes)
      .set("IFree", freeInodes)
      .set("IUsePer", usedPercent(inodes - freeInodes, freeInodes));
  }
}

/** Not known where there is nothing to use, such as inodes of a file system that makes them as it goes. */
function usedPercent(used: number, free: number): number {
  return used + free > 0 ? Math.ceil(used * 100 / (used + free)) : NaN;
}
