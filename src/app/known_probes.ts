// SPDX-License-Identifier: MulanPSL-2.0
/** What the configuration must know of the probes of this build. */
import { OPTIONAL_PATH } from "../core/setting_format.ts";
import { textKey } from "../core/setting_key.ts";
import { probes } from "../gen/all.ts";
import type { KnownProbe } from "../manager/schema.ts";

/** The original's `event` probe. It has no table: all it finds are events. */
export const SYSTEM_LOG = {
  name: "event",
  on: false,
  partOf: [],
  settings: {
    path: textKey("", 'The system\'s log; "" is /var/log/messages or /var/log/syslog.', {
      format: OPTIONAL_PATH,
    }),
  },
} as const satisfies KnownProbe;

export const KNOWN_PROBES: readonly KnownProbe[] = [...probes, SYSTEM_LOG];
