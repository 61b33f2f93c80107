// The packed package through bundlers, and what they make in Node and in Chromium, from loopback.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { chromium } from "playwright-core";
import * as vite from "vite";

const here = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "image-factory-"));
const expected = "docker.io/library/node:22";
const loopback = { host: "127.0.0.1", port: 0 };
let browser;

before(async () => {
  const run = (command, ...args) => execFileSync(command, args, { cwd: folder, encoding: "utf8" });
  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
  const packed = run("npm", "pack", "--silent", here).trim();
  run("npm", "install", "--offline", "--no-audit", "--no-fund", "--silent", `./${packed}`);
  // The files of the README.
  for (const [, name, text] of readFileSync(join(here, "README.md"), "utf8").matchAll(
    /^```\w+\n(?:\/\/|<!--) ([\w.]+)[^\n]*\n(.*?)^```/gms,
  )) {
    writeFileSync(join(folder, name), text);
  }
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

/** What the page says of a Dockerfile. */
async function said(url) {
  const page = await browser.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  await page.goto(url);
  await page.waitForFunction(() => document.querySelector("pre").textContent, undefined, { timeout: 60_000 }).catch(() => {});
  const text = await page.textContent("pre");
  await page.close();
  assert.deepEqual(wrong, []);
  return text;
}

test("Vite builds it for browsers", async () => {
  await vite.build({ root: folder, logLevel: "warn" });
  const server = await vite.preview({ root: folder, logLevel: "warn", preview: loopback });
  try {
    assert.equal(await said(server.resolvedUrls.local[0]), expected);
  } finally {
    await server.close();
  }
});

test("Vite's development server serves it", async () => {
  const server = await vite.createServer({ root: folder, logLevel: "warn", server: loopback });
  try {
    await server.listen();
    assert.equal(await said(server.resolvedUrls.local[0]), expected);
  } finally {
    await server.close();
  }
});

const bundle = { absWorkingDir: folder, bundle: true, format: "esm", loader: { ".wasm": "binary" }, target: "es2022" };

test("esbuild builds it for Node", () => {
  const outfile = join(folder, "node.mjs");
  esbuild.buildSync({ ...bundle, entryPoints: ["bundled.js"], platform: "node", target: "node20", outfile });
  assert.equal(execFileSync("node", [outfile], { cwd: tmpdir(), encoding: "utf8" }), `${expected}\n`);
});

test("esbuild builds it for browsers", async () => {
  const root = join(folder, "esbuild");
  mkdirSync(root);
  const page = readFileSync(join(folder, "index.html"), "utf8");
  writeFileSync(join(root, "index.html"), page);
  const script = readFileSync(join(folder, "page.js"), "utf8")
    .replace("\n", '\nimport module from "image-factory/plugin.wasm";\n')
    .replace("load()", "load(module)");
  writeFileSync(join(folder, "bytes.js"), script);
  esbuild.buildSync({ ...bundle, entryPoints: ["bytes.js"], outfile: join(root, "page.js") });
  const context = await esbuild.context({});
  try {
    const { port } = await context.serve({ servedir: root, ...loopback });
    assert.equal(await said(`http://127.0.0.1:${port}/`), expected);
  } finally {
    await context.dispose();
  }
});
