// SPDX-License-Identifier: MulanPSL-2.0
/** A table of the store that an external probe fills, and where its fields stand in a line. */
import type { Store } from "../core/store.ts";
import type { Table, TableSpec } from "../core/table.ts";
import type { ExternalColumn, ExternalTable } from "./meta.ts";
import { type ContainerPlace, withContainer } from "./process_container.ts";

export interface IngestTable {
  readonly table: Table;
  readonly columns: readonly ExternalColumn[];
  /** The label that no field fills. */
  readonly container: ContainerPlace | undefined;
  /** Puts an empty table of this shape in place of `table`. */
  respec(spec: TableSpec): void;
}

/** Throws what the store throws. */
export function addIngestTable(
  store: Store,
  probe: string,
  described: ExternalTable,
): IngestTable {
  const { name, spec, columns, container } = withContainer(described);
  let table = store.add(name, probe, spec);
  return {
    columns,
    container,
    get table() {
      return table;
    },
    respec(spec) {
      store.remove(table);
      table = store.add(name, probe, spec);
    },
  };
}
