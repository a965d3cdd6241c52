// SPDX-License-Identifier: MulanPSL-2.0
/** Speaks OTLP over HTTP with JSON: posts records to a collector, and tells what its answers mean. */
import { messageOf } from "../core/errors.ts";
import { gzip } from "./gzip.ts";
import type { Carrier, Refusal, SendFailure } from "./line_sender.ts";
import type { Envelope } from "./otlp_json.ts";

export interface OtlpOptions {
  /** Where the paths of the targets begin: `http://127.0.0.1:4318`. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly gzip: boolean;
  readonly timeoutMs: number;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** What stands around the records, by target. */
  readonly envelopes: Readonly<Record<string, Envelope>>;
}

/** Of an answer that is an error; more says no more. */
const MAX_REASON = 200;
const COMMA = 0x2c;
/** After these the specification wants the same records again; after any other error it does not. */
const TRY_AGAIN = [429, 502, 503, 504];
const TOO_LARGE = 413;
const encoder = new TextEncoder();

class Answered extends Error {
  constructor(readonly status: number, text: string, readonly retryAfterMs: number) {
    super(`HTTP ${status}${text === "" ? "" : `: ${text.slice(0, MAX_REASON)}`}`);
  }
}

export function otlpClient(options: OtlpOptions): Carrier {
  return {
    connect: () => {
      const client = httpClient(options);
      return Promise.resolve({
        send: (target, values) => post(options, client, target, values),
        close: () => {
          client.close();
          return Promise.resolve();
        },
      });
    },
    failureOf,
  };
}

function httpClient({ tls }: OtlpOptions): Deno.HttpClient {
  const { ca, cert, key } = tls ?? {};
  const own = cert === undefined || key === undefined ? {} : { cert, key };
  return Deno.createHttpClient({ ...(ca === undefined ? {} : { caCerts: [ca] }), ...own });
}

async function post(
  options: OtlpOptions,
  client: Deno.HttpClient,
  target: string,
  values: readonly Uint8Array<ArrayBuffer>[],
): Promise<Refusal | undefined> {
  const whole = joined(options.envelopes[target]!, values);
  const response = await fetch(`${options.endpoint}${target}`, {
    client,
    method: "POST",
    body: options.gzip ? await gzip(whole) : whole,
    headers: {
      ...options.headers,
      "content-type": "application/json",
      ...(options.gzip ? { "content-encoding": "gzip" } : {}),
    },
    redirect: "error",
    signal: AbortSignal.timeout(options.timeoutMs),
  });
  const text = await response.text();
  if (response.ok) return refusalIn(text, values.length);
  const seconds = Number(response.headers.get("retry-after") ?? 0);
  throw new Answered(response.status, text, Number.isFinite(seconds) ? seconds * 1000 : 0);
}

function joined({ before, after }: Envelope, values: readonly Uint8Array[]) {
  const [head, tail] = [encoder.encode(before), encoder.encode(after)];
  const size = values.reduce((sum, { length }) => sum + length + 1, head.length + tail.length);
  const whole = new Uint8Array(size - 1);
  whole.set(head);
  let at = head.length;
  for (const value of values) {
    if (at > head.length) whole[at++] = COMMA;
    whole.set(value, at);
    at += value.length;
  }
  whole.set(tail, at);
  return whole;
}

/** A collector may take some and refuse others: it tells how many data points or records. */
function refusalIn(text: string, lines: number): Refusal | undefined {
  let answer: { partialSuccess?: Record<string, unknown> | null };
  try {
    answer = JSON.parse(text);
  } catch {
    return undefined; // no collector has to say more than 200
  }
  const { rejectedDataPoints, rejectedLogRecords, errorMessage } = answer?.partialSuccess ?? {};
  const rejected = Number(rejectedDataPoints ?? rejectedLogRecords ?? 0);
  if (!(rejected > 0)) return undefined;
  return { lines: Math.min(rejected, lines), reason: String(errorMessage).slice(0, MAX_REASON) };
}

function failureOf(error: unknown): SendFailure {
  if (!(error instanceof Answered)) {
    const reason = messageOf(error);
    return { kind: "connection", inDoubt: !/connect/i.test(reason), reason };
  }
  const { status, message: reason, retryAfterMs } = error;
  if (status === TOO_LARGE) return { kind: "too_large", inDoubt: false, reason };
  if (TRY_AGAIN.includes(status)) return { kind: "target", inDoubt: false, reason, retryAfterMs };
  return { kind: "refused", inDoubt: false, reason };
}
