// Browsers and bundlers: bundlers know this way to name a file and put it beside their own.
import init, { initSync } from "./dist/image_factory.js";
import { Engine } from "./engine.js";

export { FactoryError } from "./engine.js";

let engine;

export async function load(source) {
  if (source === undefined) {
    if (engine) return engine;
    await init({ module_or_path: new URL("./dist/image_factory_bg.wasm", import.meta.url) });
  } else {
    initSync({ module: source instanceof WebAssembly.Module ? source : new Uint8Array(source) });
  }
  return (engine = new Engine());
}
