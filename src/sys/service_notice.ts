// SPDX-License-Identifier: MulanPSL-2.0
/** Tells the service manager (systemd) how the agent fares: sd_notify(3), a datagram to the socket that it names. */
import { KernelError } from "../core/errors.ts";
import { errnoName } from "./errno.ts";
import { ABI } from "./kernel_abi.ts";
import { openLibc } from "./libbpf.ts";

interface Environment {
  get(name: string): string | undefined;
  delete(name: string): void;
}

/** Without a service manager every call does nothing. */
export class ServiceNotice implements Disposable {
  readonly #address: Uint8Array<ArrayBuffer> | undefined;
  readonly #log: (text: string) => void;
  /** Time between two signs of life; undefined when nobody waits for them. */
  readonly #everyMs: number | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Takes the variables away: the children of the agent are not to speak for it. */
  constructor(environment: Environment, pid: number, log: (text: string) => void) {
    this.#log = log;
    const take = (name: string) => {
      const value = environment.get(name);
      environment.delete(name);
      return value;
    };
    const socket = take("NOTIFY_SOCKET");
    const watchdogPid = take("WATCHDOG_PID");
    const microseconds = Number(take("WATCHDOG_USEC"));
    if (socket === undefined || socket === "") return;
    this.#address = socketAddress(socket);
    if (this.#address === undefined) log(`Cannot use NOTIFY_SOCKET "${socket}"`);
    const ours = watchdogPid === undefined || watchdogPid === String(pid);
    // Half of the time allowed, as sd_watchdog_enabled(3) advises.
    if (ours && microseconds >= 2000) this.#everyMs = microseconds / 2000;
  }

  /** Signs of life begin here; they come from the event loop, so one that hangs gives none. */
  ready(status: string): void {
    this.#send(`READY=1\n${statusLine(status)}`);
    if (this.#address === undefined || this.#everyMs === undefined) return;
    this.#timer = setInterval(() => this.#send("WATCHDOG=1"), this.#everyMs);
  }

  status(text: string): void {
    this.#send(statusLine(text));
  }

  stopping(): void {
    clearInterval(this.#timer);
    this.#send("STOPPING=1");
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #send(state: string): void {
    if (this.#address === undefined) return;
    try {
      sendDatagram(this.#address, new TextEncoder().encode(state));
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      this.#log(error.message);
    }
  }
}

function statusLine(text: string): string {
  return `STATUS=${text.replaceAll("\n", " ")}`;
}

const PATH_BYTES = ABI["sizeof(struct sockaddr_un)"] - 2;

/** `struct sockaddr_un`; "@" begins the name of an abstract socket. Undefined for what is neither. */
function socketAddress(name: string): Uint8Array<ArrayBuffer> | undefined {
  const path = new TextEncoder().encode(name);
  if (!/^[/@]./.test(name) || path.length >= PATH_BYTES) return undefined;
  // The length tells where an abstract name ends; a path ends with a NUL.
  const address = new Uint8Array(2 + path.length + (name.startsWith("/") ? 1 : 0));
  new DataView(address.buffer).setUint16(0, ABI.AF_UNIX, true);
  address.set(path, 2);
  if (name.startsWith("@")) address[2] = 0;
  return address;
}

/** One that waits until the receiver has room would hold up all probes: it fails with EAGAIN instead. */
function sendDatagram(address: Uint8Array<ArrayBuffer>, text: Uint8Array<ArrayBuffer>): void {
  const libc = openLibc();
  try {
    const errno = () => {
      const pointer = libc.symbols.__errno_location()!;
      return new Deno.UnsafePointerView(pointer).getInt32();
    };
    const fail = (operation: string) => {
      const code = errno();
      return new KernelError(operation, "the service manager", code, errnoName(code));
    };
    const fd = libc.symbols.socket(ABI.AF_UNIX, ABI["SOCK_DGRAM | SOCK_CLOEXEC"], 0);
    if (fd < 0) throw fail("open a socket to");
    const flags = ABI["MSG_DONTWAIT | MSG_NOSIGNAL"];
    const length = BigInt(text.length);
    const sent = libc.symbols.sendto(fd, text, length, flags, address, address.length);
    const failure = sent < 0n ? fail("notify") : undefined;
    libc.symbols.close(fd);
    if (failure !== undefined) throw failure;
  } finally {
    libc.close();
  }
}
