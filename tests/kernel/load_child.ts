// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Child process of object_test.ts: loads the test object named by its first argument (BTF path: the second, if any)
 * in the surroundings that the test made, and prints what came of it as one line of JSON. With a third argument it
 * then stays until it is killed.
 */
import { Unsupported } from "../../src/core/errors.ts";
import { BpfObject } from "../../src/sys/object.ts";
import { openInstalled, testImage } from "./test_object.ts";

const [name = "sample", btfPath = "", stay] = Deno.args;

function tracefsMounted(): boolean {
  return /^\S+ \/sys\/kernel\/tracing tracefs /m.test(Deno.readTextFileSync("/proc/self/mounts"));
}

async function load(): Promise<unknown> {
  using libbpf = openInstalled();
  try {
    const options = btfPath === "" ? {} : { btfPath };
    using object = await BpfObject.load(libbpf, await testImage(name, options));
    if (stay !== undefined) {
      console.log("ready");
      await new Promise(() => setInterval(() => {}, 1000));
    }
    return { hooks: object.hooks, notes: object.notes, tracefs: tracefsMounted() };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const mend = error instanceof Unsupported ? error.mend : undefined;
    return { error: error.name, message: error.message, mend };
  }
}

console.log(JSON.stringify(await load()));
