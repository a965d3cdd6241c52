// SPDX-License-Identifier: MulanPSL-2.0
/** probes/kafka against a Kafka broker, whose jars come once into .tools/kafka. */
import assert from "node:assert/strict";
import { finished, freePort, ROOT, withFolder } from "../e2e/run_agent.ts";
import { equals, output, says, withProbe } from "./run_probe_agent.ts";
import { giveToNobody, listens, type Server, startServer } from "./run_server.ts";
import { serverCertificate } from "./server_certificate.ts";

const JARS = `${ROOT}.tools/kafka`;
const POM = `${ROOT}tests/probes/kafka_pom.xml`;
const CLUSTER = "MkU3OEVBNTcwNTJENDM2Qk";
/** Messages and how many of them are read, by partition. */
const PARTITIONS = [[11, 7], [5, 5], [23, 1]] as const;
const JAVA = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", `${JARS}/*`];

interface Ports {
  readonly client: number;
  readonly safe: number;
  readonly work: number;
  readonly controller: number;
}

async function fetchKafka(): Promise<void> {
  try {
    await Deno.stat(JARS);
    return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
  const args = ["-q", "-B", "-f", POM, goal, `-DoutputDirectory=${JARS}.new`];
  const { success, stdout } = await new Deno.Command("mvn", { args, stdin: "null" }).output();
  assert.ok(success, new TextDecoder().decode(stdout));
  await Deno.rename(`${JARS}.new`, JARS);
}

const config = (folder: string, { client, safe, work, controller }: Ports) => `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
controller.listener.names=CONTROLLER
listeners=CLIENT://127.0.0.1:${client},SAFE://127.0.0.1:${safe},WORK://127.0.0.1:${work},CONTROLLER://127.0.0.1:${controller}
listener.security.protocol.map=CLIENT:SASL_PLAINTEXT,SAFE:SASL_SSL,WORK:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=WORK
sasl.enabled.mechanisms=PLAIN
listener.name.client.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_gala="right";
listener.name.safe.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_gala="right";
ssl.keystore.type=PEM
ssl.keystore.location=${folder}/keystore.pem
log.dirs=${folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
`;

async function start(folder: string, ports: Ports): Promise<Server> {
  return await startServer({
    command: "java",
    args: [...JAVA, "kafka.Kafka", `${folder}/kafka.properties`],
    asNobody: true,
    cwd: folder,
    stopSignal: "SIGKILL",
    ready: async () =>
      await listens(ports.client) && await listens(ports.safe) && await listens(ports.work),
  });
}

async function format(folder: string, ports: Ports): Promise<void> {
  const file = `${folder}/kafka.properties`;
  await Deno.writeTextFile(file, config(folder, ports));
  const args = [...JAVA, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", file];
  const { code, out, err } = await finished("java", args);
  assert.equal(code, 0, out + err);
  await output("chown", "-R", "nobody", folder);
  await giveToNobody(folder);
}

/** Another agent's probe, which trusts nobody yet, and then the broker's own certificate. */
async function asksOverTls(port: number, password: string, cert: string): Promise<void> {
  const options = `-p ${port} --tls on --user gala --password-file ${password}`;
  const command = `kafka/kafka_probe.py ${options}`;
  await withProbe({ command }, (agent) => says(agent, "certificate verify failed"));
  await withProbe({ command: `${command} --tls-ca ${cert}` }, async (agent) => {
    const label = { server_addr: `127.0.0.1:${port}`, topic: "orders" };
    await equals(agent, "kafka_topic_messages_written_total", label, 39);
  });
}

Deno.test("kafka reports topics and how far a group is behind, and outlives its broker", async () => {
  await fetchKafka();
  await withFolder(async (folder) => {
    const [client, safe, work, controller] = [freePort(), freePort(), freePort(), freePort()];
    const ports = { client, safe, work, controller };
    const files = await serverCertificate(folder);
    const keystore = await Deno.readTextFile(files.key) + await Deno.readTextFile(files.cert);
    await Deno.writeTextFile(`${folder}/keystore.pem`, keystore);
    await format(folder, ports);
    const password = `${folder}/password`;
    await Deno.writeTextFile(password, "wrong\n");
    const command =
      `kafka/kafka_probe.py -p ${ports.client} --user gala --password-file ${password}`;
    await withProbe({ command }, async (agent) => {
      await says(agent, "Connection refused");
      await using server = await start(folder, ports);
      await says(agent, "the broker refuses user 'gala'");
      await Deno.writeTextFile(password, "right\n");
      const counts = PARTITIONS.map(([written, read]) => `${written}:${read}`);
      const run = [...JAVA, `${ROOT}tests/probes/KafkaWork.java`, `127.0.0.1:${ports.work}`];
      const own = (await output("java", ...run, ...counts)).trim().split("\n").sort();
      assert.deepEqual(own, PARTITIONS.map(([written, read], n) => `${n} ${written} ${read}`));
      const label = { server_addr: `127.0.0.1:${ports.client}`, topic: "orders" };
      await equals(agent, "kafka_topic_messages_written_total", label, 39);
      await equals(agent, "kafka_topic_messages_kept", label, 39);
      await equals(agent, "kafka_topic_partitions", label, 3);
      await equals(agent, "kafka_lag_lag_messages", { ...label, group: "readers" }, 26);
      await equals(agent, "kafka_lag_lag_messages_max", { ...label, group: "readers" }, 22);
      await equals(agent, "kafka_lag_messages_read_total", { ...label, group: "readers" }, 13);
      await equals(agent, "kafka_group_members", { group: "readers", state: "Empty" }, 0);
      await equals(agent, "kafka_group_lag_messages", { group: "readers" }, 26);
      await equals(agent, "kafka_cluster_brokers", {}, 1);
      await equals(agent, "kafka_cluster_partitions_offline", {}, 0);
      await asksOverTls(safe, password, files.cert);
      await server.stop();
      await says(agent, "no rows from Kafka");
    });
  });
});
