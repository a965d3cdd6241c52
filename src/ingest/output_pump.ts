// SPDX-License-Identifier: MulanPSL-2.0
/** Reads a child's output as fast as it is taken in; what is not read yet waits in the pipe, and so does the child. */
import type { ReadingTurns } from "./reading_turns.ts";

/**
 * After a reading that did not bring much, more is left to come together in the pipe: a wake-up costs as much as 100
 * lines, and a probe that prints 1,000 lines a second one by one would cause 1,000 of them.
 */
const GATHER_MS = 100;
/** Share of a chunk from which on the probe is thought to be waiting for us. */
const MUCH = 1 / 4;

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
  stream: ReadableStream<Uint8Array>,
  { chunkBytes, turns, take }: OutputPumpOptions,
): OutputPump {
  const reader = stream.getReader({ mode: "byob" });
  let hurried = false;
  let wake = () => {};
  const gather = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GATHER_MS);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const pump = async () => {
    let buffer = new Uint8Array(chunkBytes);
    for (;;) {
      const { value, done } = await reader.read(buffer);
      if (done) return;
      const much = value.length >= chunkBytes * MUCH;
      await turns.take(() => take(value));
      buffer = new Uint8Array(value.buffer);
      if (!much && !hurried) await gather();
    }
  };
  return {
    done: pump(),
    cancel: () => {
      wake();
      return reader.cancel();
    },
    hurry: () => {
      hurried = true;
      wake();
    },
  };
}
