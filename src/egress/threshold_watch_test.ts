// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import type { EventSettings } from "../core/event.ts";
import { counter, gauge, raises, table } from "../core/declare.ts";
import { Store } from "../core/store.ts";
import { EventLog } from "./event_log.ts";
import { ThresholdWatch } from "./threshold_watch.ts";

const NIC = table({
  entity: "nic",
  keys: ["dev_name"],
  metrics: {
    tx_dropped: raises(counter("Drops.", "packets"), { above: "drops_thr", says: "Drops" }),
    util: raises(gauge("Use.", "percent"), { above: "res_upper_thr", says: "Use" }),
  },
});
const LINK = table({
  entity: "tcp_link",
  keys: ["tgid", "client_ip", "server_ip", "server_port"],
  labels: ["comm", "container_id"],
  metrics: { tcp_oom: raises(gauge("OOM.", "count"), { above: 0, says: "Out of memory" }) },
});
const SETTINGS: EventSettings = {
  report_event: true,
  latency_thr: 0,
  jitter_thr: 0,
  drops_thr: 10,
  res_upper_thr: 90,
  res_lower_thr: 0,
};

function setUp(settings: Readonly<Record<string, EventSettings>> = { net: SETTINGS }) {
  const limits = { maxTables: 10, maxRows: 100, maxFields: 10, timeoutMs: 1000 };
  const store = new Store(limits, { machine_id: "m" });
  const clock = { now: 1e12 };
  const sent: string[] = [];
  const events = new EventLog({
    machineId: "m",
    timeoutMs: 600_000,
    clock: () => clock.now,
    send: (json) => sent.push(json),
  });
  const watch = new ThresholdWatch({
    store,
    events,
    settingsOf: (probe) => settings[probe],
    clock: () => clock.now,
  });
  const told = () =>
    sent.splice(0).map((json) => {
      const { Attributes, SeverityText, Body } = JSON.parse(json);
      return [
        Attributes.entity_id,
        Attributes.event_state,
        SeverityText,
        Body.replace(/^.*\) /, ""),
      ];
    });
  return { store, clock, sent, told, watch, events };
}

function writer(store: Store) {
  const nics = store.add("nic", "net", NIC);
  let time = 0;
  return {
    nics,
    put: (drops: number, util: number) => {
      const slot = nics.row(["eth0"], ++time);
      nics.set(slot, 0, drops);
      nics.set(slot, 1, util);
    },
  };
}

Deno.test("ThresholdWatch judges counters by their increase, and tells the begin and the end once", async () => {
  const { store, watch, told, events, clock } = setUp();
  const { put } = writer(store);
  put(1000, 0);
  await watch.check();
  put(1010, 0);
  await watch.check();
  assert.deepEqual(told(), []);
  put(1021, 0);
  await watch.check();
  assert.deepEqual(told(), [[
    "m_nic_eth0",
    "begin",
    "WARN",
    "Drops is 11 packets, above 10 packets",
  ]]);
  put(1041, 0);
  await watch.check();
  await watch.check(); // nothing was renewed: the condition stands as it stood
  assert.deepEqual(told(), []);
  put(1041, 0);
  await watch.check();
  assert.deepEqual(told(), [["m_nic_eth0", "end", "INFO", "Drops: the condition is over"]]);
  put(1061, 0);
  await watch.check(); // it comes back within the time-out
  put(1061, 0);
  await watch.check();
  assert.deepEqual(told(), []);
  assert.equal(events.counts()[0]?.suppressed, 2);
  clock.now += 600_000;
  put(1081, 95);
  await watch.check();
  assert.deepEqual(told().map(([, state, , body]) => [state, body]), [
    ["begin", "Drops is 20 packets, above 10 packets"],
    ["begin", "Use is 95%, above 90%"],
  ]);
});

Deno.test("ThresholdWatch ends a condition whose row or table is gone", async () => {
  const { store, watch, told } = setUp();
  const { nics, put } = writer(store);
  await watch.check();
  put(0, 91);
  await watch.check();
  nics.remove(0);
  await watch.check();
  assert.deepEqual(told().map(([, state, , body]) => [state, body]), [
    ["begin", "Use is 91%, above 90%"],
    ["end", "Use: the condition is gone"],
  ]);
  put(0, NaN);
  await watch.check();
  assert.deepEqual(told(), []);
});

Deno.test("ThresholdWatch says what else a row tells, and reports nothing for probes that are not to", async () => {
  const quiet = { ...SETTINGS, report_event: false };
  const { store, watch, sent } = setUp({ tcp: SETTINGS, quiet });
  const values = ["7", "10.0.0.1", "10.0.0.2", "80", "nginx", "abc"];
  for (const probe of ["tcp", "quiet", "unknown"]) {
    const links = store.add(probe, probe, { ...LINK, entity: probe });
    links.set(links.row(values, 1), 0, 1);
  }
  await watch.check();
  const [event, ...others] = sent.map((json) => JSON.parse(json));
  assert.deepEqual(others, []);
  assert.equal(event.Attributes.entity_id, "m_tcp_7_10.0.0.1_10.0.0.2_80");
  assert.equal(event.Resource.metric, "gala_gopher_tcp_tcp_oom");
  assert.deepEqual(event.Resource.labels, {
    Host: "m",
    PID: "7",
    COMM: "nginx",
    ContainerID: "abc",
    IP: "CIP(10.0.0.1), SIP(10.0.0.2:80)",
  });
  assert.equal(event.SeverityNumber, 13);
});
