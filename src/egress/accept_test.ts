// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { expositionForm, wantsGzip, wantsHtml } from "./accept.ts";

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const PROMETHEUS = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;" +
  "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

Deno.test("expositionForm is OpenMetrics only for who prefers it", () => {
  assert.equal(expositionForm(PROMETHEUS), "openmetrics");
  assert.equal(expositionForm("Application/OpenMetrics-Text; Q=0.5, */*;q=0.1"), "openmetrics");
  const others = [undefined, "", "*/*", BROWSER, "text/plain", "application/*", ",;,", "q=1"];
  for (const header of others) assert.equal(expositionForm(header), "text");
  assert.equal(expositionForm("application/openmetrics-text;q=0"), "text");
  assert.equal(expositionForm("application/openmetrics-text;q=0.000"), "text");
  assert.equal(expositionForm("application/openmetrics-text;q=0.2,text/plain;q=0.3"), "text");
  assert.equal(expositionForm("application/openmetrics-text;q=nonsense"), "text");
});

Deno.test("wantsHtml is true for browsers only", () => {
  assert.ok(wantsHtml(BROWSER));
  for (
    const header of [undefined, "*/*", PROMETHEUS, "text/html;q=0", "text/plain,text/html;q=0.9"]
  ) {
    assert.ok(!wantsHtml(header));
  }
});

Deno.test("wantsGzip respects q", () => {
  for (const header of ["gzip", "br, GZIP;q=0.5", "x-gzip", "*", "deflate, gzip;q=1.0, *;q=0.5"]) {
    assert.ok(wantsGzip(header));
  }
  for (const header of [undefined, "", "br", "gzip;q=0", "gzip;q=0, *", "identity, gzip;q=0.5"]) {
    assert.ok(!wantsGzip(header));
  }
});
