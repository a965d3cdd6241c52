// SPDX-License-Identifier: MulanPSL-2.0
/** Reads a child's output as fast as it is taken in; what is not read yet waits in the pipe, and so does the child. */

/** Work after which other things get their turn: a scrape must not wait for a chatty probe. */
const SLICE_MS = 5;

export interface OutputPump {
  /** Resolves when the output has ended, or was given up. */
  readonly done: Promise<void>;
  /** Gives up: somebody who left the process group still holds the pipe. */
  cancel(): Promise<void>;
}

/** Calls `take` with each chunk, of at most `chunkBytes`. The chunk's memory is used again afterwards. */
export function pumpOutput(
  stream: ReadableStream<Uint8Array>,
  chunkBytes: number,
  take: (chunk: Uint8Array) => void,
): OutputPump {
  const reader = stream.getReader({ mode: "byob" });
  const pump = async () => {
    let buffer = new Uint8Array(chunkBytes);
    let worked = 0;
    for (;;) {
      const { value, done } = await reader.read(buffer);
      if (done) return;
      const start = performance.now();
      take(value);
      buffer = new Uint8Array(value.buffer);
      worked += performance.now() - start;
      if (worked < SLICE_MS) continue;
      // As long a pause as the work was: one probe takes at most half a core, however fast it prints.
      const pause = worked;
      worked = 0;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  };
  return { done: pump(), cancel: () => reader.cancel() };
}
