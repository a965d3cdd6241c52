// SPDX-License-Identifier: MulanPSL-2.0
/** probes/rabbitmq against RabbitMQ. */
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { AmqpClient } from "./amqp_client.ts";
import { equals, says, withProbe } from "./run_probe_agent.ts";
import { giveToNobody, listens, type Server, startServer } from "./run_server.ts";
import { type ServerCertificate, serverCertificate } from "./server_certificate.ts";

const QUEUE = "orders|new";
const WAITING = 23;
const TAKEN_QUEUE = "taken";
const TAKEN = 7;
const USER = "gala";
const PASSWORD = "se:cret";

interface Ports {
  readonly amqp: number;
  readonly api: number;
  readonly safe: number;
  readonly names: number;
  readonly peers: number;
}

const config = ({ amqp, api, safe }: Ports, { cert, key }: ServerCertificate) => `
listeners.tcp.1 = 127.0.0.1:${amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = ${api}
management.ssl.ip = 127.0.0.1
management.ssl.port = ${safe}
management.ssl.certfile = ${cert}
management.ssl.keyfile = ${key}
default_user = ${USER}
default_pass = ${PASSWORD}
collect_statistics_interval = 500
management.db_cache_multiplier = 1
`;

/** Erlang's register of names, on a port of its own: otherwise the broker would start one that stays. */
function startNames(port: number): Promise<Server> {
  return startServer({
    command: "epmd",
    args: ["-address", "127.0.0.1", "-port", String(port)],
    asNobody: true,
    ready: () => listens(port),
  });
}

async function start(folder: string, ports: Ports, files: ServerCertificate): Promise<Server> {
  await Deno.writeTextFile(`${folder}/rabbitmq.conf`, config(ports, files));
  await Deno.writeTextFile(`${folder}/plugins`, "[rabbitmq_management].\n");
  await giveToNobody(folder);
  return await startServer({
    command: "/usr/lib/rabbitmq/bin/rabbitmq-server",
    args: [],
    asNobody: true,
    cwd: folder,
    stopSignal: "SIGKILL",
    env: {
      HOME: folder,
      ERL_EPMD_PORT: String(ports.names),
      RABBITMQ_NODENAME: "gala@localhost",
      RABBITMQ_DIST_PORT: String(ports.peers),
      RABBITMQ_CONF_ENV_FILE: "/dev/null",
      RABBITMQ_CONFIG_FILE: `${folder}/rabbitmq.conf`,
      RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/plugins`,
      RABBITMQ_MNESIA_BASE: `${folder}/data`,
      RABBITMQ_LOG_BASE: folder,
      // The script makes room for the broker instead of staying its parent.
      RABBITMQ_ALLOW_INPUT: "1",
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-noinput +S 1:1",
    },
    ready: async () =>
      await listens(ports.amqp) && await listens(ports.api) && await listens(ports.safe),
  });
}

/** Another agent's probe, which trusts nobody yet, and then the broker's own certificate. */
async function asksOverTls(port: number, file: string, cert: string): Promise<void> {
  const options = `-u https://127.0.0.1:${port} --user ${USER} --password-file ${file}`;
  const command = `rabbitmq/rabbitmq_probe.py ${options}`;
  await withProbe({ command }, (agent) => says(agent, "certificate verify failed"));
  await withProbe({ command: `${command} --tls-ca ${cert}` }, async (agent) => {
    await equals(agent, "rabbitmq_queues", { server_addr: `127.0.0.1:${port}` }, 2);
  });
}

Deno.test("rabbitmq reports queues, producers and consumers, and outlives its server", () =>
  withFolder(async (folder) => {
    const [amqp, api, safe] = [freePort(), freePort(), freePort()];
    const ports = { amqp, api, safe, names: freePort(), peers: freePort() };
    const files = await serverCertificate(folder);
    const file = `${folder}/password`;
    await Deno.writeTextFile(file, "wrong\n");
    await using _names = await startNames(ports.names);
    const options = `-u http://127.0.0.1:${ports.api} --user ${USER} --password-file ${file}`;
    await withProbe({ command: `rabbitmq/rabbitmq_probe.py ${options}` }, async (agent) => {
      await says(agent, "Connection refused");
      await using server = await start(folder, ports, files);
      await says(agent, "/api/overview answers 401");
      await Deno.writeTextFile(file, `${PASSWORD}\n`);
      using producer = await AmqpClient.open(ports.amqp, USER, PASSWORD);
      for (const [queue, count] of [[QUEUE, WAITING], [TAKEN_QUEUE, TAKEN]] as const) {
        await producer.declare(queue);
        for (let n = 0; n < count; n++) await producer.publish(queue);
      }
      using consumer = await AmqpClient.open(ports.amqp, USER, PASSWORD);
      await consumer.consume(TAKEN_QUEUE);
      const waiting = { vhost: "/", queue: QUEUE.replace("|", "/") };
      await equals(agent, "rabbitmq_queue_messages_ready", waiting, WAITING);
      await equals(agent, "rabbitmq_queue_published_total", waiting, WAITING);
      await equals(agent, "rabbitmq_queue_consumers", waiting, 0);
      const taken = { vhost: "/", queue: TAKEN_QUEUE };
      await equals(agent, "rabbitmq_queue_messages_ready", taken, 0);
      await equals(agent, "rabbitmq_queue_messages_unacked", taken, TAKEN);
      await equals(agent, "rabbitmq_queue_delivered_total", taken, TAKEN);
      await equals(agent, "rabbitmq_queue_consumers", taken, 1);
      await equals(agent, "rabbitmq_published_total", {}, WAITING + TAKEN);
      const client = { server_addr: `127.0.0.1:${ports.api}`, client_ip: "127.0.0.1" };
      await equals(agent, "rabbitmq_client_channels", client, 2);
      await equals(agent, "rabbitmq_client_producing_channels", client, 1);
      await equals(agent, "rabbitmq_client_consumers", client, 1);
      await equals(agent, "rabbitmq_connections", {}, 2);
      await equals(agent, "rabbitmq_queues", {}, 2);
      await asksOverTls(safe, file, files.cert);
      await server.stop();
      await says(agent, "no rows from RabbitMQ");
    });
  }));
