// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { breakOff } from "./break_off.ts";

for (
  const [listening, hostname] of [["127.0.0.1", "127.0.0.1"], ["::", "127.0.0.1"], ["::1", "::1"]]
) {
  Deno.test(`breakOff ends a write from ${listening} that waits for a client on ${hostname}`, async () => {
    const libc = Deno.dlopen("libc.so.6", {
      getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
      shutdown: { parameters: ["i32", "i32"], result: "i32" },
    });
    using listener = Deno.listen({ hostname: listening!, port: 0 });
    const { port } = listener.addr;
    using client = await Deno.connect({ hostname: hostname!, port });
    using conn = await listener.accept();
    using otherClient = await Deno.connect({ hostname: hostname!, port });
    using other = await listener.accept();
    const piece = new Uint8Array(1 << 20);
    const writing = (async () => {
      for (;;) await conn.write(piece);
    })();
    const ended = assert.rejects(writing, Deno.errors.BrokenPipe);
    const cutting = setInterval(() => breakOff(libc.symbols, conn.remoteAddr), 50);
    await ended;
    clearInterval(cutting);
    await other.write(new Uint8Array(3));
    assert.equal(await otherClient.read(new Uint8Array(10)), 3);
    assert.equal(client.remoteAddr.port, port);
    libc.close();
  });
}
