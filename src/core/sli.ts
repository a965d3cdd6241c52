// SPDX-License-Identifier: MulanPSL-2.0
/** What the tables of bpf/sli.h have in common: labels of containers and hosts, buckets. */
import { id, type LabelReader, ofValue, text } from "./labels.ts";

const MS = 1_000_000;

/** In nanoseconds, as the original names them. */
export const SLI_BOUNDS = [1, 5, 10, 100, 500, 1000].map((ms) => ms * MS);

const ID_REGEXP = /[0-9a-f]{64}/;

const SHORT_DIGITS = 12;

/** The id in the cgroup's name, as it is shown everywhere; the name, for what is no container. */
export function containerOfCgroup(name: string): string {
  return ID_REGEXP.exec(name)?.[0].slice(0, SHORT_DIGITS) ?? name;
}

const container: LabelReader<"name"> = {
  fields: ["name"],
  read: (value, host) => containerOfCgroup(text("name").read(value, host)),
};

/** Of the tables of containers. */
export const SLI_CONTAINER = {
  entity: "sli_container",
  on: false,
  keys: { container_id: ofValue(container) },
  labels: { cgroup_id: id("cgroup") },
} as const;

/** The one row of the host. */
export const NODE = "node";
const nodeKey: LabelReader<never> = { fields: [], read: () => NODE };

/** Of the tables of the host. */
export const SLI_NODE = {
  entity: "sli_node",
  on: false,
  keys: { sli_node_key: nodeKey },
} as const;
