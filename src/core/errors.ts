// SPDX-License-Identifier: MulanPSL-2.0
/** The three ways in which something outside the program can be wrong. Anything else is a bug. */

/** Where in the user's text the mistake stands; line and column start at 1. */
export interface Place {
  file: string;
  line?: number;
  column?: number;
}

/** As editors take it: `file:line:column`. */
export function placeText({ file, line, column }: Place): string {
  return [file, line, column].filter((part) => part !== undefined).join(":");
}

/** The user's text is wrong. Ends the start with exit code 2. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(
    /** What is wrong, with the offending value quoted. */
    readonly problem: string,
    readonly place: Place,
    /** What would be accepted, as a phrase: `a number from 1 to 65535`. */
    readonly allowed?: string,
    options?: ErrorOptions,
  ) {
    const wanted = allowed === undefined ? "" : `; allowed: ${allowed}`;
    super(`${placeText(place)}: ${problem}${wanted}`, options);
  }
}

/** The host or its kernel lacks something; the probe rests and the rest of the program goes on. */
export class Unsupported extends Error {
  override readonly name = "Unsupported";
  constructor(
    /** What is missing, and since which version it exists where that is known. */
    message: string,
    /** What the operator can do about it. */
    readonly mend?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A system call or libbpf refused. */
export class KernelError extends Error {
  override readonly name = "KernelError";
  constructor(
    /** What was tried: `load`, `attach`, `bpf_map_create`. */
    readonly operation: string,
    /** On what: a program, a map, a path. */
    readonly object: string,
    /** Positive errno value. */
    readonly errno: number,
    /** Symbolic name of errno: `EPERM`. */
    readonly code: string,
    /** The verifier's or libbpf's telling line, if there is one. */
    readonly detail?: string,
    options?: ErrorOptions,
  ) {
    super(
      `Cannot ${operation} "${object}": ${code}${detail === undefined ? "" : ` (${detail})`}`,
      options,
    );
  }
}

/** What is said of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The same of what should not have been thrown at all: with the place in the program. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
