// SPDX-License-Identifier: MulanPSL-2.0
/** A cgroup of a test's own: of a controller of version 1, or of version 2 where the host has no other. */
import { hasHierarchies } from "../cgroups.ts";

export class TestCgroup implements Disposable {
  private constructor(readonly path: string, readonly name: string, readonly isV1: boolean) {
    Deno.mkdirSync(path);
  }

  static of(controller: string, name = `gg-${crypto.randomUUID()}`): TestCgroup {
    const isV1 = hasHierarchies(controller);
    const folder = isV1 ? `/sys/fs/cgroup/${controller}` : "/sys/fs/cgroup";
    // One controller of v1 may be none of v2: CPU time is counted without.
    if (!isV1 && Deno.readTextFileSync(`${folder}/cgroup.controllers`).includes(controller)) {
      Deno.writeTextFileSync(`${folder}/cgroup.subtree_control`, `+${controller}`);
    }
    return new TestCgroup(`${folder}/${name}`, name, isV1);
  }

  /** What the kernel calls it. */
  get id(): number {
    return Deno.statSync(this.path).ino!;
  }

  /** Of a memory cgroup. */
  limit(bytes: number): void {
    const file = this.isV1 ? "memory.limit_in_bytes" : "memory.max";
    Deno.writeTextFileSync(`${this.path}/${file}`, String(bytes));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path);
  }
}
