// SPDX-License-Identifier: MulanPSL-2.0
/** Prints layouts as the TypeScript of src/gen/layouts.ts: one line a field, so that a change shows in a diff. */
import type { Field, MapLayout, ObjectLayout, Struct } from "../src/core/layout.ts";

const STEM_REGEXP = /^[a-z][a-z0-9_]*$/;
const NAME_REGEXP = /^[A-Za-z_]\w*$/;

function printKey(name: string): string {
  return NAME_REGEXP.test(name) ? name : JSON.stringify(name);
}

function printField({ offset, size, kind, element }: Field): string {
  const rest = element === undefined ? "" : `, element: ${element}`;
  return `{ offset: ${offset}, size: ${size}, kind: "${kind}"${rest} }`;
}

function block<T>(
  entries: Readonly<Record<string, T>>,
  pad: string,
  print: (item: T) => string,
): string {
  const lines = Object.entries(entries).map(([name, item]) =>
    `${pad}  ${printKey(name)}: ${print(item)},\n`
  );
  return lines.length === 0 ? "{}" : `{\n${lines.join("")}${pad}}`;
}

function printStruct(struct: Struct, pad: string): string {
  const fields = block(struct.fields, `${pad}  `, printField);
  return `{\n${pad}  size: ${struct.size},\n${pad}  fields: ${fields},\n${pad}}`;
}

function printMap(map: MapLayout, pad: string): string {
  return `{
${pad}  type: "${map.type}",
${pad}  maxEntries: ${map.maxEntries},
${pad}  key: ${printStruct(map.key, `${pad}  `)},
${pad}  value: ${printStruct(map.value, `${pad}  `)},
${pad}}`;
}

function printObject(layout: ObjectLayout): string {
  const stem = layout.object.replace(/\.bpf\.o$/, "");
  if (!STEM_REGEXP.test(stem)) {
    throw new TypeError(
      `Cannot name a constant "${stem}": wanted lower-case letters, digits and _`,
    );
  }
  return `
export const ${stem} = {
  object: ${JSON.stringify(layout.object)},
  maps: ${block(layout.maps, "  ", (map) => printMap(map, "    "))},
  records: ${block(layout.records, "  ", (record) => printStruct(record, "    "))},
  constants: ${block(layout.constants, "  ", printField)},
  programs: ${block(layout.programs, "  ", (section) => JSON.stringify(section))},
} as const satisfies ObjectLayout;
`;
}

export function printLayouts(layouts: readonly ObjectLayout[]): string {
  return `// SPDX-License-Identifier: MulanPSL-2.0
/** Written by scripts/gen.ts from the BTF of bpf/*.bpf.c: do not edit. */
import type { ObjectLayout } from "../core/layout.ts";
${layouts.map(printObject).join("")}`;
}
