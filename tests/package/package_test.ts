// SPDX-License-Identifier: MulanPSL-2.0
/** What scripts/package.sh makes is installed into a clean root, started, upgraded with a changed configuration, removed. */
import assert from "node:assert/strict";
import { BINARY, memTotalKb, parseRows, ROOT, withFolder } from "../e2e/run_agent.ts";
import { contents, must, scrapeInstalled, withRoot } from "./clean_root.ts";

const CONF = "/etc/gala-gopher/gala-gopher.yaml";
const OWN = "# of the operator\nprobes:\n  - name: system_meminfo\n  - name: system_load\n";
const VERSIONS = ["1.0.0", "1.1.0"] as const;

const MACHINE = Deno.build.arch;
const DEB_ARCH = MACHINE === "x86_64" ? "amd64" : "arm64";

async function serves(root: string): Promise<string> {
  const page = await scrapeInstalled(root);
  assert.equal(parseRows(page, "gala_gopher_mem_total_kB")[0]?.value, memTotalKb());
  return page;
}

/** Below which there may be nothing of ours. */
const isOurs = (path: string) => path.includes("gala-gopher");
const ours = (root: string) => contents(root).filter(isOurs);

const left = (...files: string[]) => [CONF.slice(0, CONF.lastIndexOf("/")), ...files];

interface Tool {
  install(root: string, version: string): Promise<unknown>;
  remove(root: string): Promise<unknown>;
  /** Removes what the one above may keep, too. */
  purge(root: string): Promise<unknown>;
  /** Where a configuration that was changed is after the removal. */
  readonly kept: string;
}

/** The same story for each kind of package. */
async function liveAndDie({ install, remove, purge, kept }: Tool): Promise<void> {
  await withRoot(async (root) => {
    await install(root, VERSIONS[0]);
    // Whoever strips it cuts its scripts off.
    await must("cmp", [BINARY, `${root}/usr/bin/gala-gopher`]);
    const page = await serves(root);
    assert.ok(parseRows(page, "gala_gopher_cpu_user_total_second").length > 0);
    for (const path of ["/usr/libexec/gala-gopher/probes/redis/redis_probe.py"]) {
      assert.ok(ours(root).includes(path), path);
    }
    await Deno.writeTextFile(root + CONF, OWN);
    await install(root, VERSIONS[1]);
    assert.equal(await Deno.readTextFile(root + CONF), OWN);
    const own = await serves(root);
    assert.deepEqual(parseRows(own, "gala_gopher_cpu_user_total_second"), []);
    await remove(root);
    assert.deepEqual(ours(root), left(kept));
    assert.equal(await Deno.readTextFile(root + kept), OWN);
  });
  await withRoot(async (root) => {
    await install(root, VERSIONS[0]);
    await purge(root);
    assert.deepEqual(ours(root), []);
  });
}

function deb(dist: string): Tool {
  const dpkg = (root: string, ...args: string[]) =>
    must("dpkg", [
      `--root=${root}`,
      "--force-script-chrootless,confold,not-root",
      ...args,
    ]);
  return {
    install: async (root, version) => {
      await describeHost(root);
      await dpkg(root, "-i", `${dist}/gala-gopher_${version}_${DEB_ARCH}.deb`);
    },
    remove: (root) => dpkg(root, "-r", "gala-gopher"),
    purge: (root) => dpkg(root, "-P", "gala-gopher"),
    kept: CONF,
  };
}

/** dpkg's own records of a host that has what the package depends on. */
async function describeHost(root: string): Promise<void> {
  const folder = `${root}/var/lib/dpkg`;
  await Deno.mkdir(`${folder}/info`, { recursive: true });
  await Deno.mkdir(`${folder}/updates`, { recursive: true });
  const libraries = ["libc6", "libgcc-s1"].map((name) =>
    `Package: ${name}\nStatus: install ok installed\nVersion: 2.36\nArchitecture: ${DEB_ARCH}\n` +
    `Maintainer: nobody <nobody@localhost>\nDescription: stands for the one of the host\n\n`
  );
  try {
    await Deno.writeTextFile(`${folder}/status`, libraries.join(""), { createNew: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

function rpm(dist: string): Tool {
  // The libraries of the host are here, but not in this root's records.
  const run = (root: string, ...args: string[]) =>
    must("rpm", [`--root=${root}`, "--dbpath=/var/lib/rpm", "--nodeps", "--nosignature", ...args]);
  const remove = (root: string) => run(root, "-e", "gala-gopher");
  return {
    install: (root, version) => run(root, "-U", `${dist}/gala-gopher-${version}-1.${MACHINE}.rpm`),
    remove,
    purge: remove,
    kept: `${CONF}.rpmsave`,
  };
}

function archive(dist: string): Tool {
  const scripts = async (root: string, version: string, name: string) => {
    const stem = `gala-gopher-${version}-linux-${MACHINE}`;
    await must("tar", ["-xzf", `${dist}/${stem}.tar.gz`, "-C", dist]);
    await must(`${dist}/${stem}/scripts/${name}`, ["--root", root]);
  };
  return {
    install: (root, version) => scripts(root, version, "install.sh"),
    remove: (root) => scripts(root, VERSIONS[1], "uninstall.sh"),
    purge: (root) => scripts(root, VERSIONS[0], "uninstall.sh"),
    kept: CONF,
  };
}

async function checkSums(dist: string): Promise<void> {
  const { code } = await new Deno.Command("sha256sum", {
    args: ["--check", "--quiet", "SHA256SUMS"],
    cwd: dist,
  }).output();
  assert.equal(code, 0);
  const listed = (await Deno.readTextFile(`${dist}/SHA256SUMS`)).match(/[^ \n]+$/gm)!;
  const files = [...Deno.readDirSync(dist)].map(({ name }) => name)
    .filter((name) => name.includes(VERSIONS[1]));
  assert.deepEqual(listed.sort(), files.sort());
  assert.equal(files.length, 4);
}

interface Bill {
  bomFormat: string;
  components: { name: string; version: string; purl: string; hashes: unknown[] }[];
}

async function checkBill(dist: string): Promise<void> {
  const path = `${dist}/gala-gopher-${VERSIONS[1]}-linux-${MACHINE}.cdx.json`;
  const bill = JSON.parse(await Deno.readTextFile(path)) as Bill;
  assert.equal(bill.bomFormat, "CycloneDX");
  const names = bill.components.map(({ name }) => name);
  const lock = JSON.parse(await Deno.readTextFile(`${ROOT}deno.lock`)) as { npm: object };
  const packages = Object.keys(lock.npm).map((key) => /^@?[^@]+/.exec(key)![0]);
  for (const name of [...packages, "deno", "libbpf", "libelf", "zlib"]) {
    assert.ok(names.includes(name), name);
  }
  for (const { name, version, hashes } of bill.components) {
    assert.ok(version !== "" && hashes.length === 1, name);
  }
}

Deno.test("package.sh makes packages that install, run, upgrade and go without a trace", async (t) => {
  await withFolder(async (dist) => {
    for (const version of VERSIONS) {
      await must(`${ROOT}scripts/package.sh`, [
        "--built",
        "--fast",
        "--version",
        version,
        "--output",
        dist,
      ]);
    }
    await t.step("sums and bill of materials", async () => {
      await checkSums(dist);
      await checkBill(dist);
    });
    await t.step("deb", () => liveAndDie(deb(dist)));
    await t.step("rpm", () => liveAndDie(rpm(dist)));
    await t.step("tar.gz with install.sh and uninstall.sh", () => liveAndDie(archive(dist)));
  });
});

Deno.test("install.sh leaves a new configuration beside a changed one", async () => {
  await withRoot(async (root) => {
    const install = () => must(`${ROOT}scripts/install.sh`, ["--root", root]);
    await install();
    await Deno.writeTextFile(root + CONF, OWN);
    assert.doesNotMatch(await install(), /kept/);
    assert.deepEqual(ours(root).filter((path) => path.startsWith("/etc/")), left(CONF));
    // As if the default had been another one before.
    await Deno.writeTextFile(`${root}/usr/share/gala-gopher/gala-gopher.yaml`, "# former\n");
    assert.match(await install(), /kept .*gala-gopher\.yaml; the new one is .*\.new/);
    assert.equal(await Deno.readTextFile(root + CONF), OWN);
    const { code } = await new Deno.Command(BINARY, {
      args: ["check", "-c", `${root}${CONF}`],
      stdout: "null",
    }).output();
    assert.equal(code, 0);
    const shipped = await Deno.readTextFile(`${root}${CONF}.new`);
    assert.match(shipped, /command: \/usr\/libexec\/gala-gopher\/probes\/example\/example\.sh/);
    assert.match(shipped.slice(shipped.indexOf("extend_probes:")), /switch: off/);
  });
});
