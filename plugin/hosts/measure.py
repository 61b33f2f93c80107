"""Prints the tables of hosts and of ABIs: `python3 plugin/hosts/measure.py`, after plugin/hosts/run.sh.

Start-up is the time from nothing to the first answer, `about`; the calls are warm, the best of
several, in milliseconds; memory is the process's peak. All answers must be the same bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
KIT = TARGET / "kit"

PYTHON = """
import hashlib, json, resource, sys, time
from importlib.metadata import version
kit, sdk = sys.argv[1:]
start = time.perf_counter()
if sdk == "wasmtime":
    from image_factory import Engine
    call = Engine().call
else:
    import extism
    plugin = extism.Plugin(open(f"{kit}/plugin.wasm", "rb").read())
    call = lambda request: plugin.call("generate", request, parse=bytes)
call(b'{"abi":1,"verb":"about"}')
out = {"version": f"{sdk} {version(sdk)}", "start": time.perf_counter() - start}
for images, times in ((1, 200), (2000, 5)):
    request = open(f"{kit}/images-{images}.json", "rb").read()
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        answer = call(request)
        best = min(best, time.perf_counter() - start)
    out[str(images)] = best
    out[f"digest{images}"] = hashlib.sha256(answer).hexdigest()
out["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(out))
"""

NODE = """
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
const [kit, ...names] = process.argv.slice(1);
const start = performance.now();
const abis = names.length ? await import("./test/abis.js") : {};
const calls = {};
if (names.length === 0) {
  const { load } = await import("image-factory");
  const engine = await load();
  calls.package = (request) => engine.call(request);
}
for (const name of names) calls[name] = await abis[name](`${kit}/plugin.wasm`);
for (const call of Object.values(calls)) await call(new TextEncoder().encode('{"abi":1,"verb":"about"}'));
const started = (performance.now() - start) / 1000;
const rows = Object.fromEntries(Object.keys(calls).map((name) => [name, { start: started }]));
for (const [images, times] of [[1, 500], [2000, 5]]) {
  const request = readFileSync(`${kit}/images-${images}.json`);
  // In turns, so that what else the machine does meets all of them.
  for (let i = 0; i < times; i++) {
    for (const [name, call] of Object.entries(calls)) {
      const start = performance.now();
      const pending = call(request);
      const answer = pending instanceof Promise ? await pending : pending;
      const took = (performance.now() - start) / 1000;
      rows[name][images] = Math.min(rows[name][images] ?? Infinity, took);
      rows[name][`digest${images}`] ??= createHash("sha256").update(answer).digest("hex");
    }
  }
}
for (const row of Object.values(rows)) {
  row.version = `Node ${process.versions.node}`;
  row.memory = process.resourceUsage().maxRSS / 1024;
}
console.log(JSON.stringify(rows));
"""


def main() -> None:
    python = [str(TARGET / "hosts-python/bin/python"), "-c", PYTHON, str(KIT)]
    node = ["node", "--input-type=module", "-e", NODE, str(KIT)]
    native = ["cargo", "run", "--quiet", "--release", "--package", "image-factory-harness"]
    rows = {
        "Rust, natively": run([*native, "--example", "measure", "--", str(KIT)], ROOT),
        "Python": run([*python, "wasmtime"], HERE),
        "Python, Extism's SDK": run([*python, "extism"], HERE),
        "JavaScript": run(node, HERE / "javascript")["package"],
        "Go": run(["go", "test", "-count=1", "-run=^TestMeasure$", "-v", "."], HERE / "go"),
    }
    print("| host | version | start-up, ms | 1 image, ms | 2,000 images, ms | memory, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for host, row in rows.items():
        times = " | ".join(f"{row[key] * 1000:.2f}" for key in ("start", "1", "2000"))
        print(f"| {host} | {row['version']} | {times} | {row['memory']:.0f} |")

    abis = run([*node, "plain", "extism", "bindgen"], HERE / "javascript")
    print()
    print("| ABI | 1 image, ms | against plain | 2,000 images, ms | against plain |")
    print("| --- | --- | --- | --- | --- |")
    for name, title in (("plain", "plain"), ("extism", "Extism"), ("bindgen", "wasm-bindgen")):
        columns = (f"{abis[name][key] * 1000:.3f} | {abis[name][key] / abis['plain'][key]:.2f}" for key in ("1", "2000"))
        print(f"| {title} | {' | '.join(columns)} |")

    for images in (1, 2000):
        digests = {row[f"digest{images}"] for row in [*rows.values(), *abis.values()]}
        if len(digests) != 1:
            sys.exit(f"the answers for {images} images differ: {digests}")


def run(command: list[str], folder: Path) -> dict:
    environment = {**os.environ, "IMAGE_FACTORY_MEASURE": str(KIT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        sys.exit(f"{command[0]}: {done.stdout}{done.stderr}")
    return json.loads(lines[0])


main()
