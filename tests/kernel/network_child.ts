// SPDX-License-Identifier: MulanPSL-2.0
/** Prints what we say of the network namespace that it is started in: addresses, and rows of nic. */
import systemNet from "../../src/probes/system_net.ts";
import { LibcHostCalls } from "../../src/sys/host_calls.ts";
import { waitOnHost } from "../run_probe.ts";

using calls = new LibcHostCalls();
const addresses = await calls.addresses?.();
console.log(JSON.stringify({ addresses, nic: (await waitOnHost(systemNet))["nic"] }));
