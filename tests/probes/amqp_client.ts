// SPDX-License-Identifier: MulanPSL-2.0
/** As much of AMQP 0-9-1 as a test needs: one connection with one channel that declares, publishes and consumes. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

const METHOD = 1;
const HEADER = 2;
const FRAME_END = 0xce;
const CHANNEL = 1;

const short = (value: number) => Buffer.from([value >> 8, value & 255]);
const long = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const shortText = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
const longText = (text: string) => Buffer.concat([long(text.length), Buffer.from(text)]);
const NO_TABLE = long(0);
const method = (group: number, id: number, ...args: Buffer[]) =>
  Buffer.concat([short(group), short(id), ...args]);

export class AmqpClient {
  readonly #conn: Deno.Conn;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  static async open(port: number, user: string, password: string): Promise<AmqpClient> {
    const client = new AmqpClient(await Deno.connect({ hostname: "127.0.0.1", port }));
    await client.#conn.write(Buffer.from("AMQP\0\0\x09\x01", "latin1"));
    await client.#expect(10, 10);
    const login = longText(`\0${user}\0${password}`);
    await client.#send(0, method(10, 11, NO_TABLE, shortText("PLAIN"), login, shortText("en_US")));
    await client.#expect(10, 30);
    await client.#send(0, method(10, 31, short(8), long(131072), short(0)));
    await client.#send(0, method(10, 40, shortText("/"), shortText(""), Buffer.from([0])));
    await client.#expect(10, 41);
    await client.#send(CHANNEL, method(20, 10, shortText("")));
    await client.#expect(20, 11);
    return client;
  }

  async declare(queue: string): Promise<void> {
    const args = [short(0), shortText(queue), Buffer.from([0]), NO_TABLE];
    await this.#send(CHANNEL, method(50, 10, ...args));
    await this.#expect(50, 11);
  }

  async publish(queue: string): Promise<void> {
    await this.#send(
      CHANNEL,
      method(60, 40, short(0), shortText(""), shortText(queue), Buffer.from([0])),
    );
    // Class, weight, size of the body (none), no properties.
    const header = Buffer.concat([short(60), short(0), long(0), long(0), short(0)]);
    await this.#send(CHANNEL, header, HEADER);
  }

  /** Takes messages without acknowledging them; they are not read here. */
  async consume(queue: string): Promise<void> {
    const args = [short(0), shortText(queue), shortText("tag"), Buffer.from([0]), NO_TABLE];
    await this.#send(CHANNEL, method(60, 20, ...args));
    await this.#expect(60, 21);
  }

  [Symbol.dispose](): void {
    this.#conn.close();
  }

  async #send(channel: number, payload: Buffer, kind = METHOD): Promise<void> {
    const head = Buffer.concat([Buffer.from([kind]), short(channel), long(payload.length)]);
    const frame = Buffer.concat([head, payload, Buffer.from([FRAME_END])]);
    for (let at = 0; at < frame.length;) at += await this.#conn.write(frame.subarray(at));
  }

  async #expect(group: number, id: number): Promise<void> {
    const head = await this.#read(7);
    const payload = await this.#read(head.readUInt32BE(3) + 1);
    const seen = [payload.readUInt16BE(0), payload.readUInt16BE(2)];
    assert.deepEqual(seen, [group, id], payload.toString("latin1"));
  }

  async #read(count: number): Promise<Buffer> {
    const bytes = Buffer.alloc(count);
    for (let at = 0; at < count;) {
      const got = await this.#conn.read(bytes.subarray(at));
      assert.ok(got !== null, "the broker closed the connection");
      at += got;
    }
    return bytes;
  }
}
