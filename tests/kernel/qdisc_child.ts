// SPDX-License-Identifier: MulanPSL-2.0
/** Prints the rows of the qdisc probe in the network namespace that it is started in. */
import qdisc from "../../src/probes/qdisc.ts";
import { waitOnHost } from "../run_probe.ts";

console.log(JSON.stringify((await waitOnHost(qdisc))["qdisc"]));
