// SPDX-License-Identifier: MulanPSL-2.0
/** Adds up the sizes of a folder's files, on threads of the runtime, one call at a time. */

/** Some 20 s of walking. */
const MAX_ENTRIES = 500_000;

/**
 * Bytes of `folder` below `root`, as `du -sbx`: sizes as files tell them, those of folders too, several links counted
 * once. Undefined when there is no such folder, NaN when it has too many files or cannot be read; never rejects.
 */
export async function treeBytes(root: string, folder: string): Promise<number | undefined> {
  try {
    const top = await folderAt(root, folder);
    return top === undefined ? undefined : await new Walk(top.device).bytesOf(top.path, top.size);
  } catch (error) {
    if (isGone(error)) return undefined;
    if (error instanceof Error) return NaN;
    throw error;
  }
}

interface Top {
  readonly path: string;
  readonly device: number;
  readonly size: number;
}

/** No link on the way: it would lead to a place outside of the root. */
async function folderAt(root: string, folder: string): Promise<Top | undefined> {
  let path = root;
  let info = await Deno.stat(root);
  for (const part of folder.split("/").filter(Boolean)) {
    if (part === "." || part === "..") return undefined;
    path += `/${part}`;
    info = await Deno.lstat(path);
    if (!info.isDirectory) return undefined;
  }
  return { path, device: info.dev, size: info.size };
}

class Walk {
  readonly #device: number;
  readonly #linked = new Set<number>();
  #entries = 0;

  constructor(device: number) {
    this.#device = device;
  }

  async bytesOf(top: string, size: number): Promise<number> {
    const folders = [top];
    let bytes = size;
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      try {
        for await (const { name } of Deno.readDir(folder)) {
          if (++this.#entries > MAX_ENTRIES) return NaN;
          bytes += await this.#take(`${folder}/${name}`, folders);
        }
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    }
    return bytes;
  }

  async #take(path: string, folders: string[]): Promise<number> {
    let info: Deno.FileInfo;
    try {
      info = await Deno.lstat(path);
    } catch (error) {
      if (isGone(error)) return 0;
      throw error;
    }
    // Of files an overlay tells the device of the layer that they are in.
    if (info.isDirectory && info.dev !== this.#device) return 0;
    if (info.isDirectory) folders.push(path);
    else if ((info.nlink ?? 1) > 1 && info.ino !== null) {
      if (this.#linked.has(info.ino)) return 0;
      this.#linked.add(info.ino);
    }
    return info.size;
  }
}

/** Meanwhile, which is no failure. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}
