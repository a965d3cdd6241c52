// SPDX-License-Identifier: MulanPSL-2.0
/** The tree that YAML and libconfig files are turned into; a superset of the libconfig tree: YAML has keys without a value. */

export type Setting = SettingGroup | SettingList | SettingScalar;

/** Line and column, from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface SettingGroup extends Position {
  readonly kind: "group";
  readonly entries: ReadonlyMap<string, SettingEntry>;
}

/** Of a file without settings. */
export const EMPTY_GROUP: SettingGroup = { kind: "group", entries: new Map(), line: 1, column: 1 };

export interface SettingEntry extends Position {
  readonly node: Setting;
}

export interface SettingList extends Position {
  readonly kind: "list";
  readonly items: readonly Setting[];
}

export interface SettingScalar extends Position {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
}
