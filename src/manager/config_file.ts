// SPDX-License-Identifier: MulanPSL-2.0
/** Finds the file with the configuration and reads it as text. */
import { ConfigError } from "../core/errors.ts";

const DEFAULT_FOLDER = "/etc/gala-gopher";
const FILE_NAMES = ["gala-gopher.yaml", "gala-gopher.conf"] as const;

/** What reading the configuration needs of a file system. */
export interface ConfigFiles {
  kindOf(path: string): "file" | "folder" | "missing";
  /** At most `limit` bytes of a file. */
  read(path: string, limit: number): Uint8Array;
}

/** Far above any real file; it also ends the reading of /dev/zero. */
export const MAX_FILE_BYTES = 1 << 18;

export const HOST_FILES: ConfigFiles = {
  kindOf(path) {
    try {
      return Deno.statSync(path).isDirectory ? "folder" : "file";
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "missing";
      throw error;
    }
  },
  read(path, limit) {
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(limit);
    let filled = 0;
    while (filled < limit) {
      const count = file.readSync(bytes.subarray(filled));
      if (count === null) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  },
};

/** The file that an explicit path means, or the default one; undefined if there is none to read. */
export function locateConfig(path: string | undefined, files: ConfigFiles): string | undefined {
  const target = path ?? DEFAULT_FOLDER;
  const kind = readOrFail(target, () => files.kindOf(target));
  if (kind === "file") return target;
  if (kind === "missing") {
    if (path === undefined) return undefined;
    throw new ConfigError("no such file or folder", { file: target });
  }
  const folder = target.replace(/\/+$/, "");
  const candidates = FILE_NAMES.map((name) => `${folder}/${name}`);
  const present = candidates.filter((file) =>
    readOrFail(file, () => files.kindOf(file)) === "file"
  );
  // Taking one of two silently would leave an edit of the other without effect.
  if (present.length > 1) {
    throw new ConfigError(`both ${FILE_NAMES.join(" and ")} are here`, { file: target }, "one");
  }
  if (present.length === 0 && path !== undefined) {
    const wanted = FILE_NAMES.join(" or ");
    throw new ConfigError("no configuration in this folder", { file: target }, wanted);
  }
  return present[0];
}

export function readConfigText(file: string, files: ConfigFiles): string {
  const bytes = readOrFail(file, () => files.read(file, MAX_FILE_BYTES + 1));
  if (bytes.length > MAX_FILE_BYTES) {
    throw new ConfigError("file is too large", { file }, `up to ${MAX_FILE_BYTES} bytes`);
  }
  if (bytes.includes(0)) {
    throw new ConfigError("binary file (has NUL bytes)", { file }, "text in UTF-8");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigError("not UTF-8", { file }, "text in UTF-8", { cause });
  }
}

function readOrFail<Result>(file: string, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw new ConfigError(`cannot be read: ${cause.message}`, { file }, undefined, { cause });
  }
}
