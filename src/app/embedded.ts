// SPDX-License-Identifier: MulanPSL-2.0
/** Files that the executable carries, packed: libraries, BPF objects, its version. From source they are in build/. */
import { gunzipSync } from "node:zlib";

const BASE = Deno.build.standalone
  ? new URL("../", import.meta.url) // the bundle lies flat in js/
  : new URL("../../build/", import.meta.url);

function embedded(path: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(path, BASE));
}

function unpacked(path: string): Uint8Array<ArrayBuffer> {
  if (!Deno.build.standalone) return embedded(path);
  return new Uint8Array(gunzipSync(embedded(`packed/${path}.gz`)));
}

/** A library by its soname. */
export function embeddedLibrary(soname: string): Uint8Array<ArrayBuffer> {
  return unpacked(`lib/${soname}`);
}

/** A BPF object by its file name. */
export function embeddedObject(name: string): Uint8Array<ArrayBuffer> {
  return unpacked(`bpf/${name}`);
}

/** Version and commit of this build; `dev` when run from source. */
export function buildVersion(): string {
  return version ??= Deno.build.standalone
    ? new TextDecoder().decode(embedded("version.txt")).trim()
    : "dev";
}

let version: string | undefined;
