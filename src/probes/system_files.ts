// SPDX-License-Identifier: MulanPSL-2.0
/** Open files, inodes and asynchronous I/O requests beside their limits, from /proc/sys/fs. */
import { gauge, nativeProbe, table } from "../core/declare.ts";
import { Scanner } from "../core/scan.ts";

export default nativeProbe({
  name: "system_files",
  help: "Open files, inodes and asynchronous I/O of all processes, from /proc/sys/fs.",
  partOf: ["baseinfo"],
  tables: {
    system_files: table({
      entity: "files",
      keys: [],
      metrics: {
        handles: gauge("Open files of all processes.", "count"),
        handles_limit: gauge("Open files from which opening fails for all but root.", "count"),
        inodes: gauge("Inodes in memory.", "count"),
        unused_inodes: gauge("Inodes in memory that nothing uses.", "count"),
        aio_requests: gauge("Requests set aside by io_setup.", "count"),
        aio_requests_limit: gauge("Requests from which io_setup fails.", "count"),
      },
    }),
  },
  open(files) {
    files.read("proc/sys/fs/file-nr");
    const scan = new Scanner();
    const starts = (path: string) => {
      const bytes = files.readOptional(path);
      scan.over(bytes ?? EMPTY);
      return scan;
    };
    return ({ system_files }) => {
      scan.over(files.read("proc/sys/fs/file-nr"));
      const allocated = scan.number();
      const free = scan.number(); // 0 since 2.6, when free handles ceased to be kept
      const row = system_files.row()
        .set("handles", allocated - free)
        .set("handles_limit", scan.number());
      starts("proc/sys/fs/inode-nr");
      row.set("inodes", scan.number()).set("unused_inodes", scan.number())
        .set("aio_requests", starts("proc/sys/fs/aio-nr").number())
        .set("aio_requests_limit", starts("proc/sys/fs/aio-max-nr").number());
    };
  },
});

const EMPTY = new Uint8Array(0);
