// SPDX-License-Identifier: MulanPSL-2.0
/** Written by scripts/gen.ts from the files in src/core/messages/protocols: do not edit. */
import type { Protocol } from "../core/messages/protocol.ts";
import dns from "../core/messages/protocols/dns.ts";
import http from "../core/messages/protocols/http.ts";
import kafka from "../core/messages/protocols/kafka.ts";
import mysql from "../core/messages/protocols/mysql.ts";
import pgsql from "../core/messages/protocols/pgsql.ts";
import redis from "../core/messages/protocols/redis.ts";

export const protocols: readonly Protocol[] = [
  dns,
  http,
  kafka,
  mysql,
  pgsql,
  redis,
];
