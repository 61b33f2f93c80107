import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

// The packed package in an empty folder, as npm would install it.
test("the page works by copy and paste", () => {
  const here = fileURLToPath(new URL("..", import.meta.url));
  const page = readFileSync(join(here, "README.md"), "utf8");
  const program = page.match(/```js\n(.*?)```/s)[1];
  const expected = [...program.matchAll(/^\/\/ > (.*)$/gm)].map(([, line]) => line);
  const folder = mkdtempSync(join(tmpdir(), "image-factory-"));
  try {
    const run = (command, ...args) => execFileSync(command, args, { cwd: folder, encoding: "utf8" });
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    const packed = JSON.parse(run("npm", "pack", "--json", "--silent", here));
    run("npm", "install", "--offline", "--no-audit", "--no-fund", "--silent", `./${packed[0].filename}`);
    writeFileSync(join(folder, "main.js"), program);
    assert.deepEqual(run("node", "main.js").trimEnd().split("\n"), expected);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
