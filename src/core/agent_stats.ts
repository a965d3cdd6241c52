// SPDX-License-Identifier: MulanPSL-2.0
/** What the agent knows about itself; filled in by the manager, shown by `/probes`, `/healthz` and `/metrics`. */
import type { HookVerdict, ProbeKind, ProgramCost } from "./probe.ts";

export type ProbeState = "starting" | "running" | "stopped" | "unsupported" | "failed";

export interface TableStatus {
  readonly name: string;
  readonly rows: number;
  /** Rows that did not fit. */
  readonly dropped: number;
  /** Rows that were not renewed in time. */
  readonly expired: number;
}

/** Totals count from the start of the agent, not of the probe. */
export interface ProbeStatus {
  readonly name: string;
  readonly kind: ProbeKind;
  readonly state: ProbeState;
  /** Why it is in this state, unless it simply runs. */
  readonly reason?: string;
  readonly mend?: string;
  readonly tables: readonly TableStatus[];
  readonly ticks: number;
  /** Ticks that were skipped because the one before was still at work. */
  readonly lateTicks: number;
  readonly lastTickSeconds: number;
  readonly tickSeconds: number;
  readonly failures: number;
  readonly restarts: number;
  /** Rows or lines that were lost or refused, by reason. */
  readonly losses: Readonly<Record<string, number>>;
  readonly hooks: readonly HookVerdict[];
  readonly programs: readonly ProgramCost[];
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface BuildInfo {
  readonly version: string;
  readonly deno: string;
  readonly libbpf: string;
}

/** The agent as a process of its host. */
export interface ProcessStats {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** The part of the resident memory that no other process shares and no file backs. */
  readonly anonymousBytes: number;
  readonly openFds: number;
  /** Unix time. */
  readonly startSeconds: number;
}

export interface AgentStats {
  readonly build: BuildInfo;
  readonly process: ProcessStats;
  readonly probes: readonly ProbeStatus[];
}
