// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Queueing disciplines of the network devices in this process's network namespace, from netlink, as `tc -s qdisc` shows
 * them. The original looks when a packet leaves a discipline: it has the largest lengths of a period, and none of one
 * that does not send any more.
 *
 * What the kernel makes by itself has the handle 0:, so below a device with several queues (mq) there is one for each of
 * them. They are one row, with their sum: which queue it is cannot be said by the original's keys, and a device may have
 * hundreds.
 */
import { counter, gauge, nativeProbe, table } from "../core/declare.ts";
import { Unsupported } from "../core/errors.ts";
import { namespaceNumber } from "../core/namespace_number.ts";
import type { HostCalls, Read } from "../core/probe.ts";
import { Queueing } from "../core/queueing.ts";

/** Until then a new name of a device is not seen. */
const NAMES_SECONDS = 30;

const TABLES = {
  qdisc: table({
    entity: "qdisc",
    keys: ["handle", "ifindex", "dev_name"],
    labels: ["kind", "netns"],
    distinct: 1,
    metrics: {
      qlen: gauge("Packets that wait to be sent.", "packets"),
      backlog: gauge("Bytes that wait to be sent.", "bytes"),
      drops: counter("Packets that it dropped.", "packets"),
      requeues: counter("Packets that the device did not take at once.", "packets"),
      overlimits: counter("Times a packet was above its limits, such as that of a rate.", "count"),
    },
  }),
};

export default nativeProbe({
  name: "qdisc",
  help: "Queueing disciplines of network devices, from netlink.",
  partOf: ["nsprobe"],
  on: false,
  tables: TABLES,
  open(files, _settings, { calls: { queues, links } }) {
    if (queues === undefined || links === undefined) {
      throw new Unsupported(
        "Cannot ask for the host's queueing disciplines: this process has another network namespace",
        "run it in the host's network namespace",
      );
    }
    const netns = namespaceNumber(files.link("proc/self/ns/net"));
    const names = new DeviceNames(links);
    const queueing = new Queueing();
    let late = 0;
    const read: Read<typeof TABLES> = async ({ qdisc }, elapsed) => {
      const answer = await queues();
      if (answer === undefined) {
        late++;
        return;
      }
      queueing.update(answer);
      await names.learn(queueing.rows, elapsed);
      for (const { index, handle, kind, packets, bytes, counts } of queueing.rows) {
        const name = names.of(index);
        if (name === "") continue;
        qdisc.row(handleText(handle), String(index), name, kind, netns)
          .set("qlen", packets).set("backlog", bytes)
          .set("drops", counts[0]!).set("requeues", counts[1]!).set("overlimits", counts[2]!);
      }
    };
    return {
      read,
      losses: () => ({
        too_many_disciplines: queueing.dropped,
        late_answers: late + names.late,
      }),
    };
  },
});

/** As tc writes it: 8001: of 0x80010000. */
function handleText(handle: number): string {
  return `${(handle >>> 16).toString(16)}:`;
}

/** Devices that are not known to the kernel any more have no name. */
class DeviceNames {
  /** Times the kernel did not tell the names in time. */
  late = 0;
  readonly #links: NonNullable<HostCalls["links"]>;
  #names: ReadonlyMap<number, string> = new Map();
  /** Those that had none when it was asked last. */
  readonly #nameless = new Set<number>();
  #since = Infinity;

  constructor(links: NonNullable<HostCalls["links"]>) {
    this.#links = links;
  }

  async learn(devices: Iterable<{ readonly index: number }>, elapsed: number): Promise<void> {
    this.#since += elapsed;
    const indexes = [...devices].map(({ index }) => index);
    const isNew = indexes.some((index) => !this.#names.has(index) && !this.#nameless.has(index));
    if (!isNew && this.#since < NAMES_SECONDS) return;
    const names = await this.#links();
    if (names === undefined) {
      this.late++;
      return;
    }
    this.#names = names;
    this.#since = 0;
    this.#nameless.clear();
    for (const index of indexes) if (!names.has(index)) this.#nameless.add(index);
  }

  of(index: number): string {
    return this.#names.get(index) ?? "";
  }
}
