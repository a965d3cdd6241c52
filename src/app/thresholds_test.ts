// SPDX-License-Identifier: MulanPSL-2.0
/** Every metric of the original that can be an event, in the tables of the probes as they are declared. */
import assert from "node:assert/strict";
import type { EventSettings } from "../core/event.ts";
import { Store } from "../core/store.ts";
import type { TableSpec } from "../core/table.ts";
import { EventLog } from "../egress/event_log.ts";
import { ThresholdWatch } from "../egress/threshold_watch.ts";
import { probes } from "../gen/all.ts";
import { eventSettings } from "../../tests/event_settings.ts";

const SETTINGS = eventSettings({
  latency_thr: 20,
  jitter_thr: 3,
  drops_thr: 10,
  res_upper_thr: 80,
  res_lower_thr: 5,
});
const OFF = eventSettings();

/** Of one connection, and of all between two hosts. */
const TCP_TROUBLE = {
  tcp_oom: 0,
  backlog_drops: 10,
  filter_drops: 10,
  sk_drops: 10,
  lost_out: 10,
  sacked_out: 10,
};

/** Of a table the metrics, each with the largest number that is well, in the metric's unit: 0 is for any. */
const LIMITS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  tcp_srtt: { syn_srtt: 20_000 },
  tcp_abn: TCP_TROUBLE,
  tcp_metric: {
    ...TCP_TROUBLE,
    syn_srtt_max: 20_000,
    zero_win_rx_ratio: 0.8,
    zero_win_tx_ratio: 0.8,
  },
  listen: {
    listendrop: 0,
    accept_overflow: 0,
    syn_overflow: 0,
    passive_open_failed: 0,
    retran_synacks: 0,
  },
  connect: { active_open_failed: 0 },
  bind: { bind_rcv_drops: 0 },
  udp: { udp_rcv_drops: 0 },
  endpoint_tcp: {
    listendrop: 0,
    accept_overflow: 0,
    syn_overflow: 0,
    retran_synacks: 0,
    req_drops: 0,
  },
  proc_dns: { gethostname_failed: 0 },
  dns: { error_ratio: 0 },
  proc_cpu: { iowait_ns: 20e6 },
  thread_cpu: { off_cpu_ns: 0, iowait_us: 20_000 },
  proc_syscall: { syscall_failed: 0 },
  proc_io: { hang_count: 0, bio_err_count: 0 },
  thread_io: { hang_count: 0, bio_err_count: 0 },
  block: {
    latency_req_max: 20_000,
    latency_req_jitter: 3000,
    latency_flush_max: 20_000,
    latency_flush_jitter: 3000,
  },
  io_latency: { latency_req_max: 20e6, latency_req_jitter: 3e6 },
  io_err: { err_count: 0 },
  block_iscsi: { count_iscsi_err: 0, count_iscsi_tmout: 0 },
  redis_sli: { rtt_nsec: 20e6 },
  opengauss_sli: { rtt_nsec: 20e6 },
  pg_sli: { rtt_nsec: 20e6 },
  fs_df: { IUsePer: 80, UsePer: 80 },
  system_iostat: { util: 80 },
  nic: { tx_dropped: 10, rx_dropped: 10, tx_errs: 10, rx_errs: 10 },
  nic_failure: { xmit_timeout_count: 0 },
  system_cpu_util: { total_used_per: 80 },
  system_meminfo: { util: 80, swap_util: 80 },
};

function declared(name: string): TableSpec {
  for (const { tables } of probes) {
    const spec = (tables as Readonly<Record<string, TableSpec>>)[name];
    if (spec !== undefined) return spec;
  }
  assert.fail(`no probe has table ${name}`);
}

/** A watch over one table with one row, of which one metric is set. */
function watchOf(name: string, metric: string, settings: EventSettings) {
  const spec = declared(name);
  const limits = { maxTables: 1, maxRows: 10, maxFields: 200, timeoutMs: 1e9 };
  const store = new Store(limits, { machine_id: "m" });
  const table = store.add(name, "probe", spec);
  const sent: string[] = [];
  const clock = () => 1e12;
  const events = new EventLog({
    machineId: "m",
    timeoutMs: 0,
    clock,
    send: (json) => sent.push(json),
  });
  const watch = new ThresholdWatch({ store, events, settingsOf: () => settings, clock });
  const labels = [...spec.keys, ...spec.labels].map((label) => `${label}-value`);
  const isCounter = spec.metrics[metric]!.type === "counter";
  let [total, time] = [1000, 0];
  /** The period's number; of a counter its increase. Gives what was said of it. */
  const period = async (number: number) => {
    total = isCounter ? total + number : number;
    table.set(table.row(labels, ++time), table.column(metric), total);
    await watch.check();
    return sent.splice(0).map((json) => {
      const { Attributes, Resource, SeverityText } = JSON.parse(json);
      return [Attributes.event_state, SeverityText, Resource.metric];
    });
  };
  return { period, full: `gala_gopher_${spec.entity}_${metric}` };
}

Deno.test("thresholds of the original's table begin and end an event, each in its table and unit", async (test) => {
  for (const [name, metrics] of Object.entries(LIMITS)) {
    await test.step(name, async () => {
      for (const [metric, limit] of Object.entries(metrics)) {
        const { period, full } = watchOf(name, metric, SETTINGS);
        const well = limit;
        const worse = limit + Math.max(1e-3, limit / 100);
        await period(well); // what a counter starts from
        assert.deepEqual(await period(well), [], `${full} ${well}`);
        assert.deepEqual(await period(worse), [["begin", "WARN", full]], `${full} ${worse}`);
        assert.deepEqual(await period(well), [["end", "INFO", full]], `${full} ${well} again`);
      }
    });
  }
});

Deno.test("thresholds that are 0 are off, but for conditions that need none", async () => {
  for (const [name, metrics] of Object.entries(LIMITS)) {
    for (const [metric, limit] of Object.entries(metrics)) {
      const { period, full } = watchOf(name, metric, OFF);
      await period(0);
      const said = (await period(limit + 1e9)).length;
      assert.equal(said, limit === 0 ? 1 : 0, full);
    }
  }
});

Deno.test("res_lower_thr makes an event of a use that is too small, of CPUs and memory", async () => {
  const uses = { system_cpu_util: "total_used_per", system_meminfo: "util" };
  for (const [name, metric] of Object.entries(uses)) {
    const { period, full } = watchOf(name, metric, SETTINGS);
    assert.deepEqual(await period(5), []);
    assert.deepEqual(await period(4), [["begin", "WARN", full]]);
    assert.deepEqual(await period(5), [["end", "INFO", full]]);
  }
});

Deno.test("no other metric of a probe can be an event: the list above is whole", () => {
  const raised = probes.flatMap(({ tables }) =>
    Object.entries(tables as Readonly<Record<string, TableSpec>>).flatMap(([name, { metrics }]) =>
      Object.entries(metrics).filter(([, { event }]) => event !== undefined)
        .map(([metric]) => `${name} ${metric}`)
    )
  );
  const listed = Object.entries(LIMITS).flatMap(([name, metrics]) =>
    Object.keys(metrics).map((metric) => `${name} ${metric}`)
  );
  assert.deepEqual(raised.toSorted(), listed.toSorted());
});
