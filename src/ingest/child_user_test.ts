// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ConfigError } from "../core/errors.ts";
import { findUser } from "./child_user.ts";

const PASSWD = `root:x:0:0:root:/root:/bin/bash
broken
redis:x:107:112::/var/lib/redis:/usr/sbin/nologin
bare:x:1007:1008:::
`;
const PLACE = { file: "gala-gopher.yaml", line: 3, column: 5 };
const find = (wanted: string) => findUser(wanted, PASSWD, PLACE);

Deno.test("findUser finds a user by name and by number", () => {
  const redis = { uid: 107, gid: 112, home: "/var/lib/redis" };
  assert.deepEqual(find("redis"), redis);
  assert.deepEqual(find("107"), redis);
  assert.deepEqual(find("bare"), { uid: 1007, gid: 1008, home: "/" });
  assert.deepEqual(find("4711"), { uid: 4711, gid: 4711, home: "/" });
});

Deno.test("findUser refuses a name that is not there", () => {
  for (const name of ["redi", "broken", "x", "-1"]) {
    assert.throws(() => find(name), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /^gala-gopher\.yaml:3:5: there is no user "/);
      return true;
    });
  }
});
