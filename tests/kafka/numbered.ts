// SPDX-License-Identifier: MulanPSL-2.0
/** Lines with growing numbers, sent under load, and what must have become of them. */
import assert from "node:assert/strict";
import { until as untilThere } from "../e2e/run_agent.ts";
import { BROKER_PATIENCE_MS, type Message } from "./broker.ts";
import type { Sending } from "./sending.ts";

export const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `{"n":${from + i},"text":"${"x".repeat(100)}"}`);

const numbersOf = (messages: readonly Message[]) =>
  messages.map(({ value }) => JSON.parse(value).n as number);

/** Every number from 0 to `count` - 1 is there, in order; a number that comes again is marked as repeated. */
export function assertAll(messages: readonly Message[], count: number): void {
  const numbers = numbersOf(messages);
  let expected = 0;
  for (let i = 0; i < numbers.length; i++) {
    if (numbers[i] === expected) expected++;
    else {
      assert.ok(numbers[i]! < expected, `${numbers[i]} came, ${expected} did not`);
      assert.equal(messages[i]!.headers, "repeated=true", `${numbers[i]} came twice, unmarked`);
    }
  }
  assert.equal(expected, count);
}

export async function withSending(
  start: Promise<Sending>,
  work: (sending: Sending) => Promise<void>,
): Promise<void> {
  const sending = await start;
  try {
    await work(sending);
  } finally {
    await sending.close();
  }
}

export async function until(condition: () => boolean): Promise<void> {
  await untilThere(String(condition), () => condition() || undefined, BROKER_PATIENCE_MS);
}

/** Sends 500 metrics and 500 events every 50 ms until told to stop. */
export function load(sending: Sending) {
  let running = true;
  const state = { sent: 0 };
  const work = (async () => {
    for (; running; state.sent += 500) {
      sending.push("metric", numbered(state.sent, state.sent + 500));
      sending.push("event", numbered(state.sent, state.sent + 500));
      await new Promise((done) => setTimeout(done, 50));
    }
  })();
  return {
    more: async (count: number) => {
      const target = state.sent + count;
      await until(() => state.sent >= target);
    },
    stop: async () => {
      running = false;
      await work;
      return state.sent;
    },
  };
}
