// SPDX-License-Identifier: MulanPSL-2.0
/** Whom a probe is to run as, from the host's list of users. */
import { ConfigError, type Place } from "../core/errors.ts";
import type { ChildUser } from "./child.ts";

const NUMBER_REGEXP = /^\d{1,10}$/;

/** Finds the user by name or number in the text of /etc/passwd. A number that is not there is taken as it is. */
export function findUser(wanted: string, passwd: string, place: Place): ChildUser {
  const isNumber = NUMBER_REGEXP.test(wanted);
  for (const line of passwd.split("\n")) {
    const [name, , uid, gid, , home] = line.split(":");
    if (isNumber ? Number(uid) !== Number(wanted) || uid === "" : name !== wanted) continue;
    if (gid === undefined || !NUMBER_REGEXP.test(gid)) continue;
    return { uid: Number(uid), gid: Number(gid), home: home || "/" };
  }
  if (isNumber) return { uid: Number(wanted), gid: Number(wanted), home: "/" };
  throw new ConfigError(`there is no user "${wanted}"`, place, "a name or number of /etc/passwd");
}
