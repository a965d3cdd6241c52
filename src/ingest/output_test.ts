// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { polledOutput, type PolledPipe } from "./output.ts";

/** A pipe that gives these answers, and then nothing until it is closed. */
function fakePipe(...answers: readonly (string | number)[]) {
  const left = [...answers];
  const state = { reads: 0, closed: 0 };
  const pipe: PolledPipe = {
    read(buffer) {
      state.reads++;
      const answer = left.shift() ?? -1;
      if (typeof answer === "number") return answer;
      return new TextEncoder().encodeInto(answer, buffer).written;
    },
    close: () => state.closed++,
  };
  return { output: polledOutput(pipe), state };
}

const read = async (output: ReturnType<typeof polledOutput>) => {
  const bytes = await output.read(new Uint8Array(100));
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
};

Deno.test("polledOutput gives what the pipe has, waits while it is empty, and ends with it", async () => {
  const { output, state } = fakePipe("a", -1, -1, "b", 0);
  assert.deepEqual([await read(output), await read(output), await read(output)], [
    "a",
    "b",
    undefined,
  ]);
  assert.deepEqual(state, { reads: 5, closed: 1 });
});

Deno.test("polledOutput looks ever more rarely into a pipe that stays empty", async () => {
  const { output, state } = fakePipe();
  const reading = read(output);
  await new Promise((done) => setTimeout(done, 300));
  // After 0, 1, 3, 7 ... 255 ms; some more on a machine that has no time.
  assert.ok(state.reads <= 20, `${state.reads} reads`);
  await output.cancel();
  assert.equal(await reading, undefined);
  assert.equal(state.closed, 1);
});

Deno.test("polledOutput wakes from its pauses when it is hurried", async () => {
  const { output } = fakePipe();
  const pause = output.gather(3_600_000);
  output.hurry();
  await pause;
  await output.gather(3_600_000);
  await output.cancel();
  assert.equal(await read(output), undefined);
});

Deno.test("polledOutput looks seldom behind what came after a silence", async () => {
  const silent = Array.from({ length: 8 }, () => -1); // 255 ms
  const { output, state } = fakePipe(...silent, "all at once");
  assert.equal(await read(output), "all at once");
  const before = state.reads;
  const reading = read(output);
  await new Promise((done) => setTimeout(done, 60));
  // After 0, 1 and 65 ms, where a pipe that was never silent is looked at seven times.
  assert.ok(state.reads - before <= 3, `${state.reads - before} reads`);
  await output.cancel();
  assert.equal(await reading, undefined);
});
