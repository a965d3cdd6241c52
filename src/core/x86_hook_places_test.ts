// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { randomNumbers } from "../../tests/mutate.ts";
import { hookPlaces } from "./x86_hook_places.ts";

function code(text: string): Uint8Array {
  return Uint8Array.from(text.trim().split(/\s+/), (byte) => parseInt(byte, 16));
}

Deno.test("hookPlaces chooses jumps of a function like SSL_read, which begins with sub", () => {
  const places = hookPlaces(code(`
    48 83 ec 18                 64 48 8b 04 25 28 00 00 00  48 89 44 24 08
    31 c0                       85 d2                       78 1a
    e8 00 00 00 00              48 8b 54 24 08
    64 48 2b 14 25 28 00 00 00  75 0e
    48 83 c4 18                 31 d2 31 c9 c3
    31 c0                       eb e2
    e8 00 00 00 00`));
  assert.deepEqual(places, { entry: 22, returns: [43] });
});

Deno.test("hookPlaces takes a push at once, and the return where nothing before it is cheap", () => {
  assert.deepEqual(hookPlaces(code("41 54 55 48 89 fd 0f 48 c2 48 83 c4 08 c3")), {
    entry: 0,
    returns: [13],
  });
  assert.deepEqual(hookPlaces(code("48 83 ec 08 e8 00 00 00 00 0f 48 c2 48 83 c4 08 c3")), {
    entry: 4,
    returns: [16],
  });
});

Deno.test("hookPlaces leaves alone what changes an argument or the result, or is jumped over", () => {
  // mov %rsi,%rdi; push
  assert.equal(hookPlaces(code("48 89 f7 55 c3"))!.entry, 0);
  // jne; xor %eax,%eax; ret
  assert.deepEqual(hookPlaces(code("55 75 02 31 c0 c3"))!.returns, [5]);
  // jne over the next jne, to the return
  assert.deepEqual(hookPlaces(code("55 75 02 75 00 c3"))!.returns, [5]);
  // A push that is jumped back to.
  assert.equal(hookPlaces(code("31 c0 55 75 fd c3"))!.entry, 0);
  assert.equal(hookPlaces(code("55 eb fe")), undefined);
});

Deno.test("hookPlaces bears 100,000 random codes, and stays on what they have", () => {
  const random = randomNumbers(5);
  for (let i = 0; i < 100_000; i++) {
    const bytes = Uint8Array.from({ length: 1 + random(40) }, () => random(256));
    const places = hookPlaces(bytes);
    for (const at of [places?.entry ?? 0, ...places?.returns ?? []]) {
      assert.ok(at >= 0 && at < bytes.length);
    }
  }
});
