// SPDX-License-Identifier: MulanPSL-2.0
/** Makes connections to itself on loopback, prints their port, and holds them until stdin ends. Argument: how many. */
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const { port } = listener.addr;
for (let i = 0; i < Number(Deno.args[0]); i++) {
  const [client, server] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
  await client.write(new Uint8Array(89));
  await server.read(new Uint8Array(89));
}
console.log(port);
await Deno.stdin.read(new Uint8Array(1));
Deno.exit(0);
