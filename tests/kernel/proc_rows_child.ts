// SPDX-License-Identifier: MulanPSL-2.0
/** Prints, as JSON, the rows of system_proc below the root given, as this program with its privileges sees them. */
import systemProc from "../../src/probes/system_proc.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { startNative } from "../../src/sys/native_runner.ts";
import { newStore, settingsOf, storeRows } from "../run_probe.ts";

using files = new RootFiles({ root: Deno.args[0]! });
const store = newStore();
const settings = settingsOf(systemProc, { proc_name: ".", smaps_interval: 0 });
startNative(systemProc, { store, files, settings }).tick(0);
console.log(JSON.stringify({ pid: Deno.pid, rows: storeRows(store)["system_proc"] }));
