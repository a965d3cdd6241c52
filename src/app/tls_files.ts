// SPDX-License-Identifier: MulanPSL-2.0
/** What a client needs for TLS, from the files that the configuration names; "" is none. */
import { messageOf, Unsupported } from "../core/errors.ts";

export interface TlsFiles {
  readonly ca_file: string;
  readonly cert_file: string;
  readonly key_file: string;
}

/** Throws Unsupported for a file that cannot be read. */
export function tlsOf({ ca_file, cert_file, key_file }: TlsFiles) {
  return {
    ...(ca_file === "" ? {} : { ca: read(ca_file) }),
    ...(cert_file === "" ? {} : { cert: read(cert_file), key: read(key_file) }),
  };
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new Unsupported(`Cannot read "${path}": ${messageOf(error)}`);
  }
}
