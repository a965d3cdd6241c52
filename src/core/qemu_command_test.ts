// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutateBytes, randomNumbers } from "../../tests/mutate.ts";
import { machineOfCommand } from "./qemu_command.ts";

const UUID = "11111111-2222-3333-4444-55555555abcd";
const bytes = (...words: string[]) =>
  new TextEncoder().encode(words.map((word) => `${word}\0`).join(""));
const machine = (...words: string[]) => machineOfCommand(bytes("qemu-system-x86_64", ...words));

Deno.test("machineOfCommand reads the forms of -name, and a uuid in either case", () => {
  const libvirt = ["-name", "guest=web,debug-threads=on", "-S", "-uuid", UUID.toUpperCase()];
  assert.deepEqual(machine(...libvirt), { uuid: UUID, name: "web" });
  assert.equal(machine("-name", "web").name, "web");
  assert.equal(machine("--name", "web,process=vm").name, "web");
  assert.equal(machine("-name", "process=vm,guest=a,,b=c").name, "a,b=c");
  assert.equal(machine("-name", "old", "-name", "new").name, "new");
});

Deno.test("machineOfCommand says nothing of what is not there, and cuts what is too long", () => {
  for (const words of [[], ["-name"], ["-uuid", "none", "-name", "debug-threads=on"]]) {
    assert.deepEqual(machine(...words), { uuid: "", name: "" });
  }
  assert.deepEqual(machineOfCommand(new Uint8Array()), { uuid: "", name: "" });
  assert.equal(machine("-name", "n".repeat(1000)).name.length, 256);
});

Deno.test("machineOfCommand survives 10,000 spoilt command lines", () => {
  const random = randomNumbers(29);
  const good = bytes("qemu", "-name", "guest=web,,1,process=x", "-uuid", UUID, "-m", "1G");
  for (let round = 0; round < 10_000; round++) {
    const { uuid, name } = machineOfCommand(mutateBytes(good, random));
    assert.ok(name.length <= 256 && [0, 36].includes(uuid.length));
  }
});
