// SPDX-License-Identifier: MulanPSL-2.0
/** What the command line cannot mean: ends with exit code 2. */
export class UsageError extends Error {}
