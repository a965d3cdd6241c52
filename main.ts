// SPDX-License-Identifier: MulanPSL-2.0
/** gala-gopher: see README.md. */
import { EndSignals } from "./src/app/end_signals.ts";

const signals = new EndSignals();
// All else is read when they are heeded.
const { runCommandLine } = await import("./src/app/commands.ts");
Deno.exit(await runCommandLine(Deno.args, signals));
