// SPDX-License-Identifier: MulanPSL-2.0
/** A table in Markdown, for the pages of docs that scripts write. */

/** Text in a cell: a bar or a line's end would end it. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

/** Ends with a line's end. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const lines = [head, head.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.map(cell).join(" | ")} |\n`).join("");
}
