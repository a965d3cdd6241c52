// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The bill of materials of the program as CycloneDX 1.5 JSON: npm packages of deno.lock, the Deno runtime, the embedded
 * libraries. For scripts/package.sh, which gives the last ones as `name=version=license=file`.
 */

interface Component {
  readonly type: "library" | "application";
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses?: readonly { readonly expression: string }[];
}

interface Lock {
  readonly npm?: Readonly<Record<string, { readonly integrity?: string }>>;
}

/** `name@version` of the lock, to which peers may be appended with "_". */
const PACKAGE_REGEXP = /^(@?[^@]+)@([^_]+)/;

export function npmComponents(
  { npm = {} }: Lock,
  licenseOf: (name: string, version: string) => string | undefined,
): Component[] {
  return Object.entries(npm).map(([key, { integrity }]) => {
    const [, name, version] = PACKAGE_REGEXP.exec(key) ?? [];
    if (name === undefined || version === undefined) {
      throw new TypeError(`Cannot understand "${key}" of deno.lock: wanted name@version`);
    }
    const license = licenseOf(name, version);
    return {
      type: "library",
      name,
      version,
      purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
      hashes: integrity === undefined ? [] : [hashOfIntegrity(integrity)],
      ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
    };
  });
}

/** `sha512-` and base64, as npm writes it. */
function hashOfIntegrity(integrity: string): { alg: string; content: string } {
  const [, bits, base64] = /^sha(\d+)-(.+)$/.exec(integrity) ?? [];
  if (bits === undefined || base64 === undefined) {
    throw new TypeError(`Cannot understand integrity "${integrity}": wanted sha512-...`);
  }
  return {
    alg: `SHA-${bits}`,
    content: hex(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))),
  };
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function sha256(path: string): Promise<string> {
  const bytes = await Deno.readFile(path);
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

async function fileComponent(argument: string): Promise<Component> {
  const [name, version, license, file, ...rest] = argument.split("=");
  if (file === undefined || rest.length > 0) {
    throw new TypeError(`Cannot understand "${argument}": wanted name=version=license=file`);
  }
  return {
    type: "library",
    name: name!,
    version: version!,
    purl: `pkg:generic/${name}@${encodeURIComponent(version!)}`,
    hashes: [{ alg: "SHA-256", content: await sha256(file) }],
    licenses: [{ expression: license! }],
  };
}

/** From the package in Deno's cache, if it says. */
function cachedLicense(folder: string, name: string, version: string): string | undefined {
  for (const registry of Deno.readDirSync(`${folder}/npm`)) {
    try {
      const path = `${folder}/npm/${registry.name}/${name}/${version}/package.json`;
      const { license } = JSON.parse(Deno.readTextFileSync(path)) as { license?: unknown };
      if (typeof license === "string") return license;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) {
        throw error;
      }
    }
  }
  return undefined;
}

/** Usage: sbom.ts VERSION SECONDS DENO_DIR NAME=VERSION=LICENSE=FILE... > sbom.cdx.json */
async function main([version, seconds, cache, ...files]: readonly string[]): Promise<void> {
  const lock: Lock = JSON.parse(Deno.readTextFileSync(new URL("../deno.lock", import.meta.url)));
  const bill = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      timestamp: new Date(Number(seconds) * 1000).toISOString(),
      component: {
        type: "application",
        name: "gala-gopher",
        version,
        licenses: [{ expression: "MulanPSL-2.0 AND (GPL-2.0-only OR BSD-2-Clause)" }],
      },
    },
    components: [
      ...await Promise.all(files.map(fileComponent)),
      ...npmComponents(lock, (name, version) => cachedLicense(cache!, name, version)),
    ],
  };
  console.log(JSON.stringify(bill, null, 2));
}

if (import.meta.main) await main(Deno.args);
