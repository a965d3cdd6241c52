// SPDX-License-Identifier: MulanPSL-2.0
/** The number that the kernel gives a namespace: the inode that a link in /proc/PID/ns names. */

/** `net:[4026531840]` */
const NAMESPACE_REGEXP = /^[a-z_]+:\[(\d+)\]$/;

/** Empty for no such link, or one that is not ours to ask. */
export function namespaceNumber(link: string | undefined): string {
  return NAMESPACE_REGEXP.exec(link ?? "")?.[1] ?? "";
}
