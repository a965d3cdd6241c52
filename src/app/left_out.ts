// SPDX-License-Identifier: MulanPSL-2.0
/** Probes that this build was made without: known by name, so that a configuration may go on naming them. */
import { Unsupported } from "../core/errors.ts";
import { leftOut } from "../gen/all.ts";
import type { Config } from "../manager/schema.ts";

export function isLeftOut(name: string): boolean {
  return leftOut.some((probe) => probe.name === name);
}

/** Each refuses to start, and says why. */
export function leftOutProbes({ probes }: Pick<Config, "probes">) {
  return leftOut.map(({ name, kind }) => ({
    startable: { name, kind, start: refuse },
    on: probes.some((entry) => entry.name === name && entry.switch === "on"),
    stage: "files" as const,
  }));
}

function refuse(): Promise<never> {
  return Promise.reject(
    new Unsupported("this build was made without it", "a build without --without and tailor.conf"),
  );
}
