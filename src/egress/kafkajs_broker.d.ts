// SPDX-License-Identifier: MulanPSL-2.0
/** What kafkajs does not declare of its own: the request that brings messages to a broker. */
import type { Buffer } from "node:buffer";
import type { Message } from "kafkajs";

export interface ProduceRequest {
  readonly acks: number;
  readonly timeout: number;
  /** A number of 64 bits; its text is decimal. */
  readonly producerId: { toString(): string };
  readonly producerEpoch: number;
  readonly topicData: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly firstSequence: number;
      readonly messages: readonly Message[];
    }[];
  }[];
}

export interface Protocol {
  readonly request: {
    readonly apiVersion: number;
    /** The body of the request, in the two places where it is looked for. */
    encode: () => Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
  };
}

declare class Broker {
  /** The newest form of a request that both sides know. */
  lookupRequest(key: number, versions: unknown): (request: ProduceRequest) => Protocol;
  produce(request: ProduceRequest): Promise<unknown>;
}
export default Broker;
