// Every exchange of the conformance kit through every ABI: the same bytes as everywhere. The kit's hostile
// requests are among them, and each ABI has one instance for all, so that none of them may spoil it.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { bindgen, extism, plain } from "./abis.js";

const folder = process.env.IMAGE_FACTORY_KIT ?? fileURLToPath(new URL("../../../../target/kit", import.meta.url));
const kit = readFileSync(`${folder}/kit.jsonl`, "utf8").trimEnd().split("\n").map(JSON.parse);
const module = `${folder}/plugin.wasm`;

function request({ request, requestHex, times }) {
  if (request !== undefined) return new TextEncoder().encode(request);
  const bytes = Buffer.from(requestHex, "hex");
  return new Uint8Array(Buffer.alloc(bytes.length * times, bytes));
}

for (const [name, load] of Object.entries({ bindgen, plain, extism })) {
  test(`every exchange of the kit gives the same bytes: ${name}`, async () => {
    const call = await load(module);
    assert.ok(kit.length > 100);
    for (const exchange of kit) {
      const answer = await call(request(exchange));
      assert.equal(createHash("sha256").update(answer).digest("hex"), exchange.sha256, exchange.name);
    }
  });
}

test("the module is no larger than it may be", () => {
  const bytes = readFileSync(new URL("../dist/image_factory_bg.wasm", import.meta.url)).length;
  assert.ok(bytes <= 750_000, `${bytes} bytes`);
});
