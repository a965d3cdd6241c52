// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Time that tasks stalled for want of CPU, memory, I/O or because of interrupts, from /proc/pressure (since 4.20, with
 * CONFIG_PSI; unsupported where it is off or booted with psi=0).
 *
 * "some": at least one task stalled; "full": all that were not idle did at once. Kernels before 5.13 have no "full" for
 * the CPU, and only those since 6.1 have "irq".
 */
import { Unsupported } from "../core/errors.ts";
import { counter, gauge, nativeProbe, table } from "../core/declare.ts";
import type { HostFiles } from "../core/probe.ts";
import { EQUALS, Scanner, word, WordList } from "../core/scan.ts";

const RESOURCES = ["cpu", "memory", "io", "irq"] as const;
const SHARES = ["some", "full"] as const;
const SHARE_LIST = new WordList(SHARES);
const AVERAGES = [
  [word("avg10"), "stalled_10s_ratio"],
  [word("avg60"), "stalled_60s_ratio"],
  [word("avg300"), "stalled_300s_ratio"],
] as const;
const TOTAL = word("total");

export default nativeProbe({
  name: "system_pressure",
  help: "Time that tasks stalled for want of CPU, memory or I/O, from /proc/pressure.",
  partOf: ["baseinfo"],
  tables: {
    system_pressure: table({
      entity: "pressure",
      keys: ["resource", "share"],
      metrics: {
        stalled_seconds_total: counter("Time stalled: some or all tasks at once.", "seconds"),
        stalled_10s_ratio: gauge("Share of the last 10 seconds stalled.", "ratio"),
        stalled_60s_ratio: gauge("Share of the last minute stalled.", "ratio"),
        stalled_300s_ratio: gauge("Share of the last 5 minutes stalled.", "ratio"),
      },
    }),
  },
  open(files) {
    // A file that is not there would be looked for, in vain, at every reading.
    const resources = RESOURCES.filter((resource) => readOptional(files, resource) !== undefined);
    if (resources.length === 0) {
      throw new Unsupported(
        'Cannot read "/proc/pressure": the kernel does not measure pressure',
        "Linux 4.20 or later with CONFIG_PSI, booted with psi=1",
      );
    }
    const scan = new Scanner();
    return ({ system_pressure }) => {
      for (const resource of resources) {
        const bytes = readOptional(files, resource);
        if (bytes === undefined) continue;
        for (scan.over(bytes); !scan.ended; scan.nextLine()) {
          const share = scan.word() ? SHARE_LIST.indexOf(scan) : -1;
          if (share < 0) continue;
          const row = system_pressure.row(resource, SHARES[share]!);
          while (scan.field(EQUALS)) {
            const average = AVERAGES.find(([name]) => scan.is(name));
            if (average !== undefined) row.set(average[1], scan.number() / 100);
            else if (scan.is(TOTAL)) row.set("stalled_seconds_total", scan.number() / 1e6);
            else scan.word();
          }
        }
      }
    };
  },
});

/** A kernel booted with psi=0 has the files, but reading them fails with EOPNOTSUPP: counts as not there. */
function readOptional(files: HostFiles, resource: string): Uint8Array | undefined {
  return files.readOptional(`proc/pressure/${resource}`);
}
