// One page, dist/index.html: script, style and module are in it, so it asks for nothing.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const here = new URL(".", import.meta.url);
const wasm = await readFile(new URL("../javascript/dist/image_factory_bg.wasm", here));
const { outputFiles } = await build({
  entryPoints: [new URL("src/main.js", here).pathname],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  write: false,
  // The browser's entry; the module's bytes come from the page.
  conditions: ["browser"],
  define: { MODULE: JSON.stringify(gzipSync(wasm, { level: 9 }).toString("base64")) },
});
const script = outputFiles[0].text.replaceAll("</script", "<\\/script");
const digest = createHash("sha256").update(script).digest("base64");
const page = (await readFile(new URL("src/index.html", here), "utf8"))
  .replace("/* style */", await readFile(new URL("src/style.css", here), "utf8"))
  .replace("script-src 'none'", `script-src 'sha256-${digest}' 'wasm-unsafe-eval'`)
  .replace("/* script */", () => script);
await mkdir(new URL("dist/", here), { recursive: true });
await writeFile(new URL("dist/index.html", here), page);
console.log(`index.html: ${Buffer.byteLength(page)} bytes`);
