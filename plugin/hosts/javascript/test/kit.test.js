// Every exchange of the conformance kit: the same bytes as everywhere.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { load } from "image-factory";

const file = process.env.IMAGE_FACTORY_KIT ?? new URL("../../../../target/kit/kit.jsonl", import.meta.url);
const kit = readFileSync(file, "utf8").trimEnd().split("\n").map(JSON.parse);

function request({ request, requestHex, times = 1 }) {
  if (request !== undefined) return new TextEncoder().encode(request);
  const bytes = Buffer.from(requestHex, "hex");
  return new Uint8Array(Buffer.alloc(bytes.length * times, bytes));
}

test("every exchange of the kit gives the same bytes", async () => {
  const engine = await load();
  assert.ok(kit.length > 100);
  for (const exchange of kit) {
    const answer = engine.call(request(exchange));
    assert.equal(createHash("sha256").update(answer).digest("hex"), exchange.sha256, exchange.name);
  }
});

test("the module is no larger than it may be", () => {
  const bytes = readFileSync(new URL("../dist/image_factory_bg.wasm", import.meta.url)).length;
  assert.ok(bytes <= 750_000, `${bytes} bytes`);
});
