import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FactoryError, load } from "image-factory";

const images = `- name: redis
  registry: docker.io
  repository: library/redis
  allowTags: ^7
`;

test("the module says what it is", async () => {
  const { abi, verbs, schemas } = (await load()).about();
  assert.equal(abi, 1);
  assert.ok(verbs.includes("generate"));
  assert.deepEqual(Object.keys(schemas).sort(), ["envelope", "factory", "images", "state"]);
  const envelope = readFileSync(new URL("../../../../docs/envelope.schema.json", import.meta.url));
  assert.equal(schemas.envelope, `sha256:${createHash("sha256").update(envelope).digest("hex")}`);
});

test("a request of any length is answered", async () => {
  const engine = await load();
  const answer = JSON.parse(new TextDecoder().decode(engine.call(new Uint8Array(1_000_000_000))));
  assert.equal(answer.diagnostics[0].code, "IF0007");
});

test("a factory becomes Warehouses", async () => {
  const engine = await load();
  const { manifests } = engine.generate({ "images.yaml": images });
  assert.deepEqual(
    manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    ["Warehouse redis"],
  );
});

test("an error is thrown with its place", async () => {
  const engine = await load();
  assert.throws(
    () => engine.generate({ "images.yaml": "- name: [\n" }),
    (error) =>
      error instanceof FactoryError &&
      error.diagnostics[0].file === "images.yaml" &&
      error.message.startsWith("images.yaml:"),
  );
  // The instance stays usable.
  assert.equal(engine.generate({ "images.yaml": images }).manifests.length, 1);
});

test("a Dockerfile names its base images", async () => {
  const engine = await load();
  const dockerfile = "ARG V=22\nFROM node:${V} AS build\nFROM alpine:3\nCOPY --from=build /a /a\n";
  const { images } = engine.bases(dockerfile, { buildArgs: { V: "24" } });
  assert.deepEqual(
    images.map(({ reference }) => reference),
    ["docker.io/library/alpine:3", "docker.io/library/node:24"],
  );
});

test("analyze asks for Dockerfiles and answers with state", async () => {
  const engine = await load();
  const tree = {
    "images.yaml": `- name: web
  registry: ghcr.io
  repository: acme/web
  source: {provider: github, repo: acme/web, dockerfile: Dockerfile, workflow: web.yml}
`,
  };
  const asked = [];
  const { files } = await engine.analyze(tree, {
    all: true,
    now: "2026-01-05T10:00:00Z",
    fetch(needs) {
      asked.push(...(needs.git ?? []));
      return {
        git: (needs.git ?? []).map(({ url, reference, paths }) => ({
          url,
          reference,
          commit: "0123456789abcdef0123456789abcdef01234567",
          files: Object.fromEntries(
            paths.map((path) => [path, path === "Dockerfile" ? "FROM alpine:3\n" : null]),
          ),
        })),
      };
    },
  });
  assert.ok(asked.length > 0);
  assert.ok(Object.keys(files).includes("state/images/web.yaml"), Object.keys(files).join());
});
