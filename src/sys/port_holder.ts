// SPDX-License-Identifier: MulanPSL-2.0
/** Who listens on a TCP port: from /proc/net/tcp{,6} the socket, from /proc/<pid>/fd its process. */

export interface PortHolder {
  readonly pid: number;
  readonly command: string;
}

const LISTEN = "0A";
const PID_REGEXP = /^\d+$/;

/** The process that listens on `port`; undefined if there is none or it may not be looked at. */
export function portHolder(port: number): PortHolder | undefined {
  const inodes = new Set([
    ...listeningInodes(textOf("/proc/net/tcp"), port),
    ...listeningInodes(textOf("/proc/net/tcp6"), port),
  ]);
  if (inodes.size === 0) return undefined;
  const links = new Set([...inodes].map((inode) => `socket:[${inode}]`));
  for (const pid of namesIn("/proc")) {
    if (!PID_REGEXP.test(pid)) continue;
    for (const fd of namesIn(`/proc/${pid}/fd`)) {
      if (!links.has(linkOf(`/proc/${pid}/fd/${fd}`))) continue;
      return { pid: Number(pid), command: textOf(`/proc/${pid}/comm`).trim() };
    }
  }
  return undefined;
}

/** Inodes of the sockets that listen on `port`, from the text of /proc/net/tcp or tcp6. */
export function listeningInodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes = [];
  for (const line of table.split("\n").slice(1)) {
    const [, local, , state, , , , , , inode] = line.trim().split(/ +/);
    if (state === LISTEN && inode !== undefined && local?.endsWith(suffix)) inodes.push(inode);
  }
  return inodes;
}

/** The empty value where a process ended meanwhile, the kernel lacks IPv6, or rights are missing. */
function orEmpty<Value>(read: () => Value, empty: Value): Value {
  try {
    return read();
  } catch (error) {
    const expected = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable ||
      // ESRCH, of a process that ended between opening and reading.
      (error instanceof Error && error.message.includes("os error 3"));
    if (expected) return empty;
    throw error;
  }
}

function textOf(path: string): string {
  return orEmpty(() => Deno.readTextFileSync(path), "");
}

function namesIn(path: string): string[] {
  return orEmpty(() => [...Deno.readDirSync(path)].map(({ name }) => name), []);
}

function linkOf(path: string): string {
  return orEmpty(() => Deno.readLinkSync(path), "");
}
