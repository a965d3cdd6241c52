// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { parseLinks, RTM_GETADDR, RTM_GETLINK } from "../core/route_netlink.ts";
import { openLibc } from "./libbpf.ts";
import { RouteDump } from "./route_dump.ts";

Deno.test("RouteDump gives all who ask at the same time the same answer, and the next one a new one", async () => {
  const libc = openLibc();
  const routes = new RouteDump(libc.symbols, 30_000);
  const [first, second, other] = await Promise.all([
    routes.dump(RTM_GETLINK),
    routes.dump(RTM_GETLINK),
    routes.dump(RTM_GETADDR),
  ]);
  assert.ok(first !== undefined && other !== undefined);
  assert.equal(second, first);
  assert.notEqual(other, first);
  const later = await routes.dump(RTM_GETLINK);
  assert.notEqual(later, first);
  assert.equal(parseLinks(later!).get(1), "lo");
  libc.close();
});

Deno.test("RouteDump neither asks again nor waits while an answer is late", async () => {
  const libc = openLibc();
  const held = Promise.withResolvers<void>();
  const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let [asked, ended] = [0, 0];
  const slow = {
    ...libc.symbols,
    send: async (...request: Parameters<typeof libc.symbols.send>) => {
      asked++;
      await held.promise;
      return libc.symbols.send(...request);
    },
    close: (fd: number) => {
      ends[ended++]!.resolve();
      return libc.symbols.close(fd);
    },
  };
  const routes = new RouteDump(slow, 1);
  assert.equal(await routes.dump(RTM_GETLINK), undefined);
  assert.equal(await routes.dump(RTM_GETLINK), undefined);
  assert.equal(asked, 1);
  held.resolve();
  await ends[0]!.promise;
  await new Promise((resolve) => setTimeout(resolve));
  const again = routes.dump(RTM_GETLINK);
  assert.equal(asked, 2);
  await Promise.all([again, ends[1]!.promise]);
  libc.close();
});
