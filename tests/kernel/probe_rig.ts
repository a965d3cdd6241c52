// SPDX-License-Identifier: MulanPSL-2.0
/** One eBPF probe, as it stands in the sources, with a store of its own. */
import type { BpfProbe, RecordProbe, RunningProbe, SettingValue } from "../../src/core/probe.ts";
import { Store } from "../../src/core/store.ts";
import { startBpf } from "../../src/sys/bpf_runner.ts";
import { startRecords } from "../../src/sys/record_runner.ts";
import { openInstalled, probeBytes } from "./test_object.ts";
import { settingsOf } from "../run_probe.ts";
import { type Numbers, numbersOf, tableOf, tableRows } from "../table_rows.ts";

export interface ProbeOptions {
  readonly maxRows?: number;
  readonly settings?: Readonly<Record<string, SettingValue>>;
  /** Without: those that are on by themselves. */
  readonly tables?: readonly string[] | undefined;
}

export const TIMEOUT_MS = 1000;

export class ProbeRig implements AsyncDisposable {
  #stopped = false;

  private constructor(
    readonly store: Store,
    readonly running: RunningProbe,
    readonly end: () => void,
  ) {}

  static async start(
    probe: BpfProbe | RecordProbe,
    { maxRows = 4096, settings = {}, tables }: ProbeOptions = {},
  ): Promise<ProbeRig> {
    const limits = { maxTables: 64, maxRows, maxFields: 64, timeoutMs: TIMEOUT_MS };
    const store = new Store(limits, {});
    const bytes = await probeBytes(probe.layout.object.replace(".bpf.o", ""));
    const libbpf = openInstalled();
    const others = Object.keys(probe.tables).filter((name) => !tables?.includes(name));
    const host = {
      store,
      libbpf,
      image: () => bytes,
      settings: settingsOf(probe, settings),
      ...(tables && { tablesOff: new Set(others) }),
      log: () => {},
    };
    const running = await ("ring" in probe ? startRecords(probe, host) : startBpf(probe, host));
    return new ProbeRig(store, running, () => libbpf[Symbol.dispose]());
  }

  async tick(now: number): Promise<void> {
    await this.running.tick!(now);
  }

  /** Metrics of the rows whose labels have all these texts; of histograms the first count. */
  rows(name: string, ...labels: readonly string[]): Numbers[] {
    const table = tableOf(this.store, name);
    return [...tableRows(table, ...labels)].map(({ slot }) => numbersOf(table, slot));
  }

  /** Sum of a metric over such rows. */
  sum(name: string, metric: string, ...labels: readonly string[]): number {
    return this.rows(name, ...labels).reduce((sum, row) => sum + row[metric]!, 0);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.running.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.end();
  }
}
