// The three ways to call the engine, each as a function of bytes to bytes: wasm-bindgen's, which is the
// package; the plain ABI, as docs/embedding.md has it; Extism's SDK. The module is the kit's.
import { readFileSync } from "node:fs";
import createPlugin from "@extism/extism";
import { load } from "image-factory";

export async function bindgen() {
  const engine = await load();
  return (request) => engine.call(request);
}

/** One instance for all calls; all buffers go back. */
export function plain(file) {
  const module = new WebAssembly.Module(readFileSync(file));
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][name] = () => {
      throw new Error(`the plain ABI calls no function of Extism, and called ${name}`);
    };
  }
  const { memory, if_alloc, if_call, if_free } = new WebAssembly.Instance(module, imports).exports;
  return (request) => {
    const at = if_alloc(request.length) >>> 0;
    // 0 says that the request is too long; if_call then answers just that.
    if (at !== 0) new Uint8Array(memory.buffer).set(request, at);
    const packed = BigInt.asUintN(64, if_call(at, request.length));
    const [start, length] = [Number(packed >> 32n), Number(packed & 0xffffffffn)];
    const answer = new Uint8Array(memory.buffer).slice(start, start + length);
    if_free(at, request.length);
    if_free(start, length);
    return answer;
  };
}

/**
 * Any export will do: each takes the verb of the request. The SDK (1.0.3) hands over all of the buffer that
 * a view such as Node's small Buffers is of, so it gets a copy.
 */
export async function extism(file) {
  const plugin = await createPlugin({ wasm: [{ data: readFileSync(file) }] });
  return async (request) => (await plugin.call("about", new Uint8Array(request))).bytes();
}
