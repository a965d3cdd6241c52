// SPDX-License-Identifier: MulanPSL-2.0
/** A sender with its outboxes and spool, as the program has them, in the process of the test. */
import { type KafkaClient, kafkaClient, type KafkaOptions } from "../../src/egress/kafka_client.ts";
import { LineSender } from "../../src/egress/line_sender.ts";
import { Outbox } from "../../src/egress/outbox.ts";
import { Spool } from "../../src/egress/spool.ts";
import { until } from "../e2e/run_agent.ts";
import { BROKER_PATIENCE_MS } from "./broker.ts";

const encoder = new TextEncoder();
const KINDS = ["metric", "event"] as const;
export type Kind = typeof KINDS[number];

export interface Sending {
  readonly outboxes: Readonly<Record<Kind, Outbox>>;
  readonly client: KafkaClient;
  /** What was said of the state, in order. */
  readonly said: string[];
  push(kind: Kind, lines: readonly string[]): void;
  /** Resolves when nothing waits any more. */
  empty(): Promise<void>;
  close(): Promise<void>;
}

export async function startSending(
  spoolFolder: string,
  topics: Readonly<Record<Kind, string>>,
  options: Partial<KafkaOptions> & { brokers: readonly string[] },
  spoolBytes = 256e6,
  queueBytes = 64e6,
): Promise<Sending> {
  const client = kafkaClient({ compression: "none", key: "host", ...options });
  const spool = await Spool.open({ folder: spoolFolder, maxBytes: spoolBytes, kinds: KINDS });
  const said: string[] = [];
  const changed = (text: string) => said.push(text);
  const outboxes = Object.fromEntries(KINDS.map((kind) => [
    kind,
    new Outbox({
      kind,
      durable: kind === "event",
      spool: Promise.resolve(spool),
      maxBytes: queueBytes,
      maxLines: 1e6,
      wake: () => sender.wake(),
      changed,
    }),
  ])) as Record<Kind, Outbox>;
  const sender: LineSender = new LineSender({
    place: "Kafka",
    carrier: () => Promise.resolve(client),
    streams: KINDS.toReversed().map((kind) => (
      { outbox: outboxes[kind], target: topics[kind], called: `topic "${topics[kind]}"` }
    )),
    maxMessages: 10_000,
    maxBytes: 500_000,
    lingerMs: 5,
    firstPauseMs: 100,
    changed,
  });
  sender.start();
  return {
    outboxes,
    client,
    said,
    push: (kind, lines) =>
      outboxes[kind].push(encoder.encode(`${lines.join("\n")}\n`), lines.length),
    empty: async () => {
      const isEmpty = () => KINDS.every((kind) => outboxes[kind].waiting === 0);
      try {
        await until("nothing waits", () => isEmpty() || undefined, BROKER_PATIENCE_MS);
      } catch (error) {
        throw new Error(said.join("\n"), { cause: error });
      }
    },
    close: async () => {
      await sender.close();
      await spool.close();
    },
  };
}
