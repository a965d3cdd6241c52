// SPDX-License-Identifier: MulanPSL-2.0
/** Real Kafka brokers of Apache's release, KRaft, and Debian's kcat to read back what was sent. */
import assert from "node:assert/strict";
import kafkajs, { type Admin } from "kafkajs";
import { finished, freePort, until } from "../e2e/run_agent.ts";
import { CutLine } from "./cut_line.ts";

const JARS = new URL("../../.tools/kafka/", import.meta.url).pathname;
/** Small, and quick to start: these brokers live for seconds. */
const JAVA = ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
const CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg";
/** A broker starts in 4 s; on a machine that does much else it takes longer. */
export const BROKER_PATIENCE_MS = 90_000;
export const USER = "alice";
export const PASSWORD = "correct horse";

export interface Message {
  readonly key: string;
  readonly headers: string;
  readonly value: string;
  readonly partition: number;
}

async function java(...args: string[]): Promise<void> {
  const all = [...JAVA, "-cp", `${JARS}*`, ...args];
  const { code, err } = await finished("java", all, BROKER_PATIENCE_MS);
  assert.equal(code, 0, err);
}

const entriesOf = (settings: Readonly<Record<string, string>>) =>
  Object.entries(settings).map(([name, value]) => ({ name, value }));

const writingForbidden = (resourceName: string) => ({
  resourceType: kafkajs.AclResourceTypes.TOPIC,
  resourceName,
  resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
  principal: "User:ANONYMOUS",
  host: "*",
  operation: kafkajs.AclOperationTypes.WRITE,
  permissionType: kafkajs.AclPermissionTypes.DENY,
});

interface Node {
  readonly id: number;
  readonly plain: number;
  readonly sasl: number;
  readonly controller: number;
  /** Where those connect who come over the line that can be cut. */
  readonly behindLine: number;
  readonly line: CutLine;
}

/** One broker, or several that form a cluster. */
export class Brokers implements AsyncDisposable {
  readonly #folder: string;
  readonly #nodes: readonly Node[];
  readonly #running = new Map<number, Deno.ChildProcess>();

  private constructor(folder: string, nodes: readonly Node[]) {
    this.#folder = folder;
    this.#nodes = nodes;
  }

  /** Prepares brokers in the folder; starts none. `settings` are those of server.properties. */
  static async prepare(
    folder: string,
    count = 1,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<Brokers> {
    const nodes = Array.from({ length: count }, (_, i): Node => {
      const behindLine = freePort();
      const line = new CutLine(behindLine);
      const [plain, sasl, controller] = [freePort(), freePort(), freePort()];
      return { id: i + 1, plain, sasl, controller, behindLine, line };
    });
    const brokers = new Brokers(folder, nodes);
    await makeCertificate(folder);
    await Promise.all(nodes.map(async (node) => {
      const file = brokers.#file(node.id);
      await Deno.writeTextFile(file, properties(folder, node, nodes, settings));
      const logins = ["256", "512"].flatMap((bits) => [
        "--add-scram",
        `SCRAM-SHA-${bits}=[name=${USER},password="${PASSWORD}"]`,
      ]);
      await java(
        "kafka.tools.StorageTool",
        "format",
        "-t",
        CLUSTER,
        "-c",
        file,
        ...logins,
      );
    }));
    return brokers;
  }

  /** Addresses for clients without login. */
  get addresses(): string {
    return this.#nodes.map(({ plain }) => `127.0.0.1:${plain}`).join();
  }

  /** Addresses for clients with TLS and login. */
  get saslAddresses(): string {
    return this.#nodes.map(({ sasl }) => `localhost:${sasl}`).join();
  }

  /** The line to the first broker; a client that begins there stays on it. */
  get line(): CutLine {
    return this.#nodes[0]!.line;
  }

  /** The authority that signed the brokers' certificate. */
  get caFile(): string {
    return `${this.#folder}/ca.pem`;
  }

  /** Starts all, or the named one; resolves when they answer. */
  async start(id?: number): Promise<void> {
    for (const node of this.#nodes) {
      if (id !== undefined && node.id !== id || this.#running.has(node.id)) continue;
      const args = [...JAVA, "-cp", `${JARS}*`, "kafka.Kafka", this.#file(node.id)];
      const log = await Deno.open(`${this.#folder}/${node.id}.log`, { create: true, append: true });
      const child = new Deno.Command("java", {
        args,
        stdin: "null",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      child.stdout.pipeTo(log.writable).catch(() => {});
      this.#running.set(node.id, child);
      // It may end by itself, as when its disk is full.
      child.status.then(() => {
        if (this.#running.get(node.id) === child) this.#running.delete(node.id);
      });
    }
    const wanted = this.#running.size;
    await until("brokers", async () => {
      const { out } = await finished("kcat", ["-b", this.addresses, "-L", "-J", "-m", "1"]);
      if (out === "") return undefined;
      return JSON.parse(out).brokers.length >= wanted ? true : undefined;
    }, BROKER_PATIENCE_MS);
  }

  /** Ends all, or the named one, without a word. */
  async kill(id?: number): Promise<void> {
    for (const [running, child] of [...this.#running]) {
      if (id !== undefined && running !== id) continue;
      this.#running.delete(running);
      child.kill("SIGKILL");
      await child.status;
    }
  }

  /** SIGSTOP makes all hang, with their connections open, SIGCONT go on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    for (const child of this.#running.values()) child.kill(signal);
  }

  async createTopic(topic: string, settings: Readonly<Record<string, string>> = {}): Promise<void> {
    const configEntries = entriesOf(settings);
    await this.#administer(async (admin) => {
      await admin.createTopics({ waitForLeaders: false, topics: [{ topic, configEntries }] });
    });
    await until(
      "a leader",
      async () => await this.leaderOf(topic) ?? undefined,
      BROKER_PATIENCE_MS,
    );
  }

  /** From now on the broker takes nothing for this topic; it must have an authorizer. */
  async forbidWriting(topic: string): Promise<void> {
    await this.#administer(async (admin) => {
      await admin.createAcls({ acl: [writingForbidden(topic)] });
    });
  }

  async allowWriting(topic: string): Promise<void> {
    await this.#administer(async (admin) => {
      await admin.deleteAcls({ filters: [writingForbidden(topic)] });
    });
  }

  async #administer(work: (admin: Admin) => Promise<void>): Promise<void> {
    const brokers = this.addresses.split(",");
    const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    await work(admin);
    await admin.disconnect();
  }

  /** The broker that leads the only partition of the topic; undefined while there is none. */
  async leaderOf(topic: string): Promise<number | undefined> {
    const args = ["-b", this.addresses, "-L", "-J", "-t", topic];
    const { out } = await finished("kcat", args, BROKER_PATIENCE_MS);
    const leader: number = out === "" ? -1 : JSON.parse(out).topics[0].partitions[0]?.leader ?? -1;
    return leader > 0 ? leader : undefined;
  }

  /** All messages of a topic up to now, in the order of their partitions; none where there is no topic. */
  async messages(topic: string): Promise<Message[]> {
    const messages: Message[] = [];
    await this.eachMessage(topic, (message) => messages.push(message));
    return messages;
  }

  /** The same one by one, where they would not fit into memory. */
  async eachMessage(topic: string, visit: (message: Message) => void): Promise<void> {
    const format = "%p\\x01%k\\x01%h\\x01%s\\x02";
    const args = ["-b", this.addresses, "-C", "-t", topic, "-e", "-q", "-f", format];
    const kcat = new Deno.Command("kcat", { args, stdin: "null", stdout: "piped", stderr: "null" });
    const child = kcat.spawn();
    let rest = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      const texts = (rest + chunk).split("\x02");
      rest = texts.pop()!;
      for (const text of texts) {
        const [partition, key = "", headers = "", value = ""] = text.split("\x01");
        visit({ partition: Number(partition), key, headers, value });
      }
    }
    await child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    for (const { line } of this.#nodes) await line[Symbol.asyncDispose]();
  }

  #file(id: number): string {
    return `${this.#folder}/${id}.properties`;
  }
}

function properties(
  folder: string,
  { id, plain, sasl, controller, behindLine, line }: Node,
  nodes: readonly Node[],
  settings: Readonly<Record<string, string>>,
): string {
  const addresses = `PLAINTEXT://127.0.0.1:${plain},SASL_SSL://localhost:${sasl}`;
  const jaas = (module: string, more = "") =>
    `org.apache.kafka.common.security.${module}LoginModule required${more};`;
  return Object.entries({
    "process.roles": "broker,controller",
    "node.id": String(id),
    "controller.quorum.voters": nodes.map((node) => `${node.id}@127.0.0.1:${node.controller}`)
      .join(),
    "controller.listener.names": "CONTROLLER",
    "listeners": `${addresses},LINE://127.0.0.1:${behindLine},CONTROLLER://127.0.0.1:${controller}`,
    "advertised.listeners": `${addresses},LINE://127.0.0.1:${line.port}`,
    "listener.security.protocol.map":
      "PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,LINE:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "listener.name.sasl_ssl.plain.sasl.jaas.config": jaas(
      "plain.Plain",
      ` user_${USER}="${PASSWORD}"`,
    ),
    "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": jaas("scram.Scram"),
    "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": jaas("scram.Scram"),
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": `${folder}/keystore.pem`,
    "log.dirs": `${folder}/data-${id}`,
    "num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": String(nodes.length),
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "default.replication.factor": String(nodes.length),
    "min.insync.replicas": "1",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    ...settings,
  }).map(([name, value]) => `${name}=${value}\n`).join("");
}

async function makeCertificate(folder: string): Promise<void> {
  const openssl = async (...args: string[]) => {
    const { code, err } = await finished("openssl", args);
    assert.equal(code, 0, err);
  };
  const [key, certificate] = [`${folder}/key.pem`, `${folder}/ca.pem`];
  await openssl(
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate],
    ...["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
  );
  const both = await Deno.readTextFile(key) + await Deno.readTextFile(certificate);
  await Deno.writeTextFile(`${folder}/keystore.pem`, both);
}
