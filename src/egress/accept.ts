// SPDX-License-Identifier: MulanPSL-2.0
/** Which form of an answer a client wants, from its Accept and Accept-Encoding headers. */
import type { ExpositionForm } from "./exposition.ts";

/** Longer headers are not looked at further: real ones have a handful of entries. */
const MAX_ENTRIES = 32;
const QUALITY_REGEXP = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** Highest quality given to each lower-case name; parameters other than q are ignored. */
function qualities(header: string | undefined): Map<string, number> {
  const found = new Map<string, number>();
  for (const entry of (header ?? "").split(",", MAX_ENTRIES)) {
    const [name, ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
    if (!name) continue;
    const given = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const quality = given === undefined ? 1 : QUALITY_REGEXP.test(given) ? Number(given) : 0;
    found.set(name, Math.max(found.get(name) ?? 0, quality));
  }
  return found;
}

/** OpenMetrics only when it is named and liked at least as much as plain text, which is what anything else gets. */
export function expositionForm(accept: string | undefined): ExpositionForm {
  const liked = qualities(accept);
  const open = liked.get("application/openmetrics-text") ?? 0;
  const text = liked.get("text/plain") ?? liked.get("text/*") ?? liked.get("*/*") ?? 0;
  return open > 0 && open >= text ? "openmetrics" : "text";
}

/** A browser: it names HTML, and neither form of the metrics with a higher quality. */
export function wantsHtml(accept: string | undefined): boolean {
  const liked = qualities(accept);
  const html = liked.get("text/html") ?? 0;
  const open = liked.get("application/openmetrics-text") ?? 0;
  return html > 0 && html >= open && html >= (liked.get("text/plain") ?? 0);
}

export function wantsGzip(acceptEncoding: string | undefined): boolean {
  const liked = qualities(acceptEncoding);
  const gzip = liked.get("gzip") ?? liked.get("x-gzip") ?? liked.get("*") ?? 0;
  return gzip > 0 && gzip >= (liked.get("identity") ?? 0);
}
