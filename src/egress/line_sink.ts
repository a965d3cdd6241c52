// SPDX-License-Identifier: MulanPSL-2.0
/** Where finished lines go: files, or Kafka. */

/** Takes finished lines. */
export interface LineSink {
  /** Takes over the bytes, which are `lines` whole lines. Never waits. */
  push(bytes: Uint8Array<ArrayBuffer>, lines: number): void;
  readonly stats: SinkStats;
  /** More waits than is good: whoever can wait for a moment should. */
  readonly pressed: boolean;
  /** Resolves when all that was taken is written, or lost. */
  close(): Promise<void>;
}

export interface SinkStats {
  readonly lines: number;
  /** Lines lost, by reason. */
  readonly losses: Readonly<Record<string, number>>;
  /** In memory. */
  readonly queuedBytes: number;
  /** On disk, where a sink keeps lines that wait. */
  readonly spooledBytes?: number;
  /** Of the lines those that may have been written twice. */
  readonly repeated?: number;
}
