// SPDX-License-Identifier: MulanPSL-2.0
/** What kafkajs does not declare of its own: the part of its queue of requests that is mended. */
declare class RequestQueue {
  throttledUntil: number;
  throttleCheckTimeoutId: ReturnType<typeof setTimeout> | null;
  pending: unknown[];
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
}
export default RequestQueue;
