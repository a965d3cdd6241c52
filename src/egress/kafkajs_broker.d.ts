// SPDX-License-Identifier: MulanPSL-2.0
/** What kafkajs does not declare of its own: the request that brings messages to a broker. */
import type { Message } from "kafkajs";

export interface ProduceRequest {
  readonly topicData: readonly {
    readonly partitions: readonly { readonly messages: readonly Message[] }[];
  }[];
}

declare class Broker {
  produce(request: ProduceRequest): Promise<unknown>;
}
export default Broker;
