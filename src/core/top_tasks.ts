// SPDX-License-Identifier: MulanPSL-2.0
/** Finds the processes with the largest numbers, without sorting all of them. */

/** Adds to `chosen` the indexes of the `limit` largest of the first `count` values; 0 and NaN are never among them. */
export function chooseTop(
  values: Float64Array,
  count: number,
  limit: number,
  chosen: Set<number>,
): void {
  // Indexes, the largest value first.
  const top: number[] = [];
  for (let index = 0; index < count; index++) {
    const value = values[index]!;
    if (!(value > 0) || limit === 0) continue;
    if (top.length === limit) {
      if (value <= values[top[limit - 1]!]!) continue;
      top.pop();
    }
    let at = top.length;
    while (at > 0 && values[top[at - 1]!]! < value) at--;
    top.splice(at, 0, index);
  }
  for (const index of top) chosen.add(index);
}
