// SPDX-License-Identifier: MulanPSL-2.0
/** An event, written as the original does, as a log record of OTLP. */
import { anyValue, attributesJson, type Json } from "./otlp_json.ts";

/** Events of ours, and log lines of third-party probes, which have any attributes. */
interface Written {
  readonly Timestamp: number;
  readonly SeverityText: string;
  readonly SeverityNumber: number;
  readonly Attributes: Readonly<Record<string, Json>>;
  readonly Resource: Readonly<Record<string, Json>>;
  readonly Body: Json;
}

export function otlpEvent(json: string): string {
  const written: Written = JSON.parse(json);
  const { Timestamp, SeverityText, SeverityNumber, Attributes, Resource, Body } = written;
  // The older name of the metric says the same.
  const { metrics: _, labels, ...rest } = Resource;
  const time = `"${Math.trunc(Timestamp)}000000"`;
  const attributes = attributesJson({ ...rest, ...isObject(labels) ? labels : {}, ...Attributes });
  return `{"timeUnixNano":${time},"observedTimeUnixNano":${time},"severityNumber":${SeverityNumber},` +
    `"severityText":${JSON.stringify(SeverityText)},"body":${
      anyValue(Body)
    },"attributes":[${attributes}]}`;
}

function isObject(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
