// SPDX-License-Identifier: MulanPSL-2.0
/** Reads a child's output as fast as it is taken in; what is not read yet waits in the pipe, and so does the child. */
import type { Output } from "./output.ts";
import type { ReadingTurns } from "./reading_turns.ts";

/**
 * After a reading that did not bring much, more is left to come together in the pipe: a wake-up costs as much as some
 * hundred lines. The pause is so long that half a chunk comes together at the pace of the last reading, but no longer
 * than this.
 */
const MAX_GATHER_MS = 500;
/** Share of a chunk from which on the pipe is thought to have been full, and the probe to be waiting for us. */
const FULL = 3 / 4;
/** A shorter pause is not worth its timer. */
const MIN_GATHER_MS = 2;

export interface OutputPump {
  /** Resolves when the output has ended, or was given up. */
  readonly done: Promise<void>;
  /** Gives up: somebody who left the process group still holds the pipe. */
  cancel(): Promise<void>;
  /** Reads what comes without gathering: the end is near. */
  hurry(): void;
}

export interface OutputPumpOptions {
  readonly chunkBytes: number;
  readonly turns: ReadingTurns;
  /** Is called with each chunk, of at most `chunkBytes`. The chunk's memory is used again afterwards. */
  readonly take: (chunk: Uint8Array) => void;
}

export function pumpOutput(
  output: Output,
  { chunkBytes, turns, take }: OutputPumpOptions,
): OutputPump {
  const pump = async () => {
    let buffer = new Uint8Array(chunkBytes);
    let last = performance.now();
    for (;;) {
      const chunk = await output.read(buffer);
      if (chunk === undefined) return;
      const now = performance.now();
      const wanted = chunk.length >= chunkBytes * FULL
        ? 0
        : (now - last) * (chunkBytes / 2) / chunk.length;
      last = now;
      await turns.take(() => take(chunk));
      buffer = new Uint8Array(chunk.buffer);
      if (wanted >= MIN_GATHER_MS) await output.gather(Math.min(wanted, MAX_GATHER_MS));
    }
  };
  return { done: pump(), cancel: () => output.cancel(), hurry: () => output.hurry() };
}
