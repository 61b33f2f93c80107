// Node: the module's bytes come from beside this file.
import { readFile } from "node:fs/promises";
import { initSync } from "./dist/image_factory.js";
import { Engine } from "./engine.js";

export { FactoryError } from "./engine.js";

let engine;

export async function load(source) {
  if (source === undefined && engine) return engine;
  const module = source ?? (await readFile(new URL("./dist/image_factory_bg.wasm", import.meta.url)));
  initSync({ module: module instanceof WebAssembly.Module ? module : new Uint8Array(module) });
  return (engine = new Engine());
}
