// SPDX-License-Identifier: MulanPSL-2.0
/** Where the output of a child is read from: the runtime's stream, or a pipe that is looked at now and then. */

export interface Output {
  /** What came, in the buffer's memory; undefined at the end. */
  read(buffer: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Waits that long before the next reading, or until it is hurried. */
  gather(milliseconds: number): Promise<void>;
  /** The end is near: from now on there is no waiting. */
  hurry(): void;
  /** Gives up; reading then ends. */
  cancel(): Promise<void>;
}

/** The reading end of a pipe that does not wait: 0 at the end, -1 for nothing now. */
export interface PolledPipe {
  read(buffer: Uint8Array<ArrayBuffer>): number;
  close(): void;
}

/**
 * A pipe in which nothing was is looked at after twice the pause before, and at last once a second. A writer that is
 * as fast as we are is met again after the first. One that was silent before and is again has said all for now: then
 * the second pause is a quarter of that silence, for each look costs as much as some hundred lines.
 */
const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 1000;
const LONGEST_SECOND_PAUSE_MS = 250;
/** How often it is looked for the end when that is near. */
const HURRIED_MS = 5;
/** Pauses from here on end together for all probes, so that they wake the agent once. */
const GRID_MS = 250;

export function streamOutput(stream: ReadableStream<Uint8Array>): Output {
  const reader = stream.getReader({ mode: "byob" });
  const pauses = new Pauses();
  return {
    async read(buffer) {
      const { value, done } = await reader.read(buffer);
      return done ? undefined : value;
    },
    gather: (milliseconds) => pauses.wait(pauses.hurried ? 0 : milliseconds),
    hurry: () => pauses.hurry(),
    cancel() {
      pauses.hurry();
      return reader.cancel();
    },
  };
}

export function polledOutput(pipe: PolledPipe): Output {
  const pauses = new Pauses();
  let pause = FIRST_PAUSE_MS;
  /** Since something came, and how long it was before. */
  let waited = 0;
  let silence = 0;
  let cancelled = false;
  return {
    async read(buffer) {
      for (;;) {
        const count = cancelled ? 0 : pipe.read(buffer);
        if (count > 0) {
          pause = FIRST_PAUSE_MS;
          silence = waited;
          waited = 0;
          return buffer.subarray(0, count);
        }
        if (count === 0) {
          pipe.close();
          return undefined;
        }
        await pauses.wait(pauses.hurried ? HURRIED_MS : pause);
        const second = waited === 0 ? Math.min(silence / 4, LONGEST_SECOND_PAUSE_MS) : 0;
        waited += pause;
        pause = Math.min(Math.max(pause * 2, second), LONGEST_PAUSE_MS);
      }
    },
    gather(milliseconds) {
      pause = Math.max(FIRST_PAUSE_MS, milliseconds);
      return pauses.wait(pauses.hurried ? 0 : milliseconds);
    },
    hurry: () => pauses.hurry(),
    cancel() {
      cancelled = true;
      pauses.hurry();
      return Promise.resolve();
    },
  };
}

/** One pause at a time, which hurry ends. */
class Pauses {
  hurried = false;
  #wake = () => {};

  wait(milliseconds: number): Promise<void> {
    if (milliseconds === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, untilGrid(milliseconds));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  hurry(): void {
    this.hurried = true;
    this.#wake();
  }
}

/** A long pause, made shorter so that it ends on the grid. */
function untilGrid(milliseconds: number): number {
  if (milliseconds < GRID_MS) return milliseconds;
  const end = performance.now() + milliseconds;
  return milliseconds - end % GRID_MS;
}
