// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What the compiled program holds does not grow, however often its probes come and go. Half a minute here; the whole by
 * hand: SOAK_MINUTES=60 deno test -A tests/soak/soak_test.ts
 */
import assert from "node:assert/strict";
import type { Holdings } from "../e2e/holdings.ts";
import { slopeOf, soak, type Soaked } from "./soak.ts";

const SECONDS = Number(Deno.env.get("SOAK_MINUTES") ?? 0.4) * 60;
/** What may have come to each in all rounds together, with a probability of 97.5 %; `anon` in MB. */
const MOST: Partial<Holdings> = {
  fds: 1,
  maps: 0,
  programs: 0,
  links: 0,
  children: 0,
  anon: 8,
};
/** The runtime's pool grows to what goes on at the same time: 8 to 12 were seen. */
const MAX_THREADS = 24;
/** Rounds in which the program is still being compiled and its caches fill. */
const WARM_UP = 1 / 3;

type Kind = keyof Holdings;

function growth({ rounds }: Soaked, kind: Kind) {
  const values = rounds.slice(Math.floor(rounds.length * WARM_UP)).map((round) => round[kind]);
  const { perStep, atLeast } = slopeOf(values);
  return {
    first: values[0]!,
    last: values.at(-1)!,
    most: Math.max(...values),
    "a round": Number(perStep.toFixed(4)),
    "at least in all": Number((atLeast * values.length).toFixed(3)),
  };
}

Deno.test("slopeOf tells a slope from noise", () => {
  assert.deepEqual(slopeOf([7, 7, 7, 7]), { perStep: 0, atLeast: 0 });
  assert.deepEqual(slopeOf([1, 3, 5, 7]), { perStep: 2, atLeast: 2 });
  const noise = Array.from({ length: 100 }, (_, at) => at * 7 % 10);
  assert.ok(slopeOf(noise).atLeast < 0);
  assert.ok(slopeOf(noise.map((value, at) => value + at)).atLeast > 0.9);
});

Deno.test("gala-gopher holds no more after many reloads, kills and scrapes than before", async () => {
  const soaked = await soak(SECONDS);
  const { rounds, scrapes, refused, killed, seconds, log } = soaked;
  const kinds = Object.keys(rounds[0]!) as Kind[];
  console.log(`${rounds.length} rounds in ${Math.round(seconds)} s, ${scrapes} scrapes`);
  const table = Object.fromEntries(kinds.map((kind) => [kind, growth(soaked, kind)]));
  console.table(table);
  assert.deepEqual(refused, []);
  assert.equal(soaked.code, 0, log);
  assert.ok(killed >= rounds.length - 1, `${killed} of ${rounds.length}`);
  assert.ok(table.threads!.most <= MAX_THREADS, `${table.threads!.most} threads`);
  for (const [kind, most] of Object.entries(MOST)) {
    assert.ok(table[kind]!["at least in all"] <= most, `${kind} grows: ${JSON.stringify(rounds)}`);
  }
});
