// SPDX-License-Identifier: MulanPSL-2.0
/** A certificate for a server of a test on 127.0.0.1. */
import { output } from "./run_probe_agent.ts";
import { giveToNobody } from "./run_server.ts";

export const SERVER_NAME = "127.0.0.1";

export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Signed by itself, so that it is its own authority; its key is nobody's, as servers ask for. */
export async function serverCertificate(folder: string): Promise<ServerCertificate> {
  await giveToNobody(folder);
  const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"];
  const subject = [
    "-subj",
    "/CN=gala",
    "-addext",
    `subjectAltName=IP:${SERVER_NAME}`,
    "-days",
    "2",
  ];
  await output("openssl", "req", "-x509", ...kind, ...subject, "-out", cert, "-keyout", key);
  await Deno.chmod(key, 0o600);
  await giveToNobody(key);
  await giveToNobody(cert);
  return { cert, key };
}
