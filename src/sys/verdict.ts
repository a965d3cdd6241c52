// SPDX-License-Identifier: MulanPSL-2.0
/** What it means that the kernel refused a program: does the host lack something, or is the program at fault? */
import { KernelError } from "../core/errors.ts";
import type { HookVerdict } from "../core/probe.ts";
import { ERRNO, errnoName } from "./errno.ts";
import { refusedSource, tellingLine } from "./verifier_log.ts";

export interface Refusal {
  readonly program: string;
  /** ELF section: `tp_btf/sys_enter`. */
  readonly hook: string;
  readonly errno: number;
  /** Verifier log; empty if the verifier did not get to speak. */
  readonly log: string;
}

/** What the operator sees, and what is thrown if the program is indispensable. */
export interface Refused {
  readonly verdict: HookVerdict;
  readonly error: KernelError;
}

/** Verifier lines that name something this kernel does not have. */
const LACKING_REGEXP =
  /kernel lacks|(invalid|unknown|unsupported) func |program of this type cannot use helper|not supported|attach_btf_id .* is not|is not a kernel function/;

/** Errors without a verifier log that mean "this kernel does not know that". */
const LACKING: ReadonlySet<number> = new Set([
  ERRNO.EPERM,
  ERRNO.ENOENT,
  ERRNO.ESRCH,
  ERRNO.ENODEV,
  ERRNO.EINVAL,
  ERRNO.ENOSYS,
  ERRNO.EOPNOTSUPP,
  ERRNO.ENOTSUPP,
]);

const MENDS: Readonly<Record<string, string>> = {
  fentry: "a kernel built with CONFIG_FUNCTION_TRACER and BPF trampolines",
  fexit: "a kernel built with CONFIG_FUNCTION_TRACER and BPF trampolines",
  kprobe: "a kernel built with CONFIG_KPROBES",
  kretprobe: "a kernel built with CONFIG_KPROBES",
  lsm: "a kernel built with CONFIG_BPF_LSM and started with lsm=...,bpf",
};

/** The kernel refused to load the program. */
export function loadRefusal({ program, hook, errno, log }: Refusal): Refused {
  const telling = tellingLine(log);
  // A log that does not fit hides the error behind ENOSPC.
  const code = telling !== undefined && errno === ERRNO.ENOSPC
    ? "refused by the verifier"
    : errnoName(errno);
  const lacking = telling === undefined ? LACKING.has(errno) : LACKING_REGEXP.test(telling);
  // Where the program is at fault, somebody wants to mend it.
  const source = lacking ? undefined : refusedSource(log);
  const reason = source === undefined ? telling : `${telling}; ${source}`;
  const detail = reason ?? meaning(hook, errno);
  const error = new KernelError("load", program, errno, code, detail);
  return refused(program, hook, error, lacking, telling === undefined);
}

/** The program is loaded, but could not be hooked up. */
export function attachRefusal({ program, hook, errno }: Omit<Refusal, "log">): Refused {
  const error = new KernelError("attach", program, errno, errnoName(errno), meaning(hook, errno));
  return refused(program, hook, error, LACKING.has(errno), true);
}

function refused(
  program: string,
  hook: string,
  error: KernelError,
  lacking: boolean,
  ofHook: boolean,
): Refused {
  const mend = lacking && ofHook ? MENDS[kindOf(hook)] : undefined;
  const state = lacking ? "unsupported" : "failed";
  const verdict = { program, hook, state, reason: error.message } as const;
  return { verdict: mend === undefined ? verdict : { ...verdict, mend }, error };
}

function meaning(hook: string, errno: number): string | undefined {
  if (!LACKING.has(errno)) return undefined;
  if (errno === ERRNO.EPERM) return `this kernel refuses ${kindOf(hook)} programs`;
  if (errno === ERRNO.ESRCH || errno === ERRNO.ENOENT) return `this kernel has no "${hook}"`;
  return `this kernel does not support "${hook}"`;
}

function kindOf(hook: string): string {
  return hook.split("/", 1)[0]!.replace(/\.s$/, "");
}
