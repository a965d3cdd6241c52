// SPDX-License-Identifier: MulanPSL-2.0
/** The labels that tell this host from others. */

/** `machine_id` from /etc/machine-id below the host's root, and `hostname` from the kernel; empty if unknown. */
export function hostLabels(root: string): Readonly<Record<string, string>> {
  return { machine_id: firstLine(`${root}/etc/machine-id`), hostname: Deno.hostname() };
}

function firstLine(path: string): string {
  try {
    return Deno.readTextFileSync(path).split("\n", 1)[0]!.trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return "";
    }
    throw error;
  }
}
