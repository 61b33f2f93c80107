"""Prints the table of hosts: `python3 plugin/hosts/measure.py KIT`, after plugin/hosts/run.sh.

Start-up is the time from nothing to the first answer, `about`; the calls are warm, the best of
several, in milliseconds; memory is the process's peak. The answers' digests must be one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

PYTHON = """
import hashlib, json, resource, sys, time
from importlib.metadata import version
start = time.perf_counter()
from image_factory import Engine
engine = Engine()
engine.about()
out = {"version": "wasmtime " + version("wasmtime"), "start": time.perf_counter() - start}
for images, times in ((1, 50), (2000, 3)):
    request = open(f"{sys.argv[1]}/images-{images}.json", "rb").read()
    best = None
    for _ in range(times):
        start = time.perf_counter()
        answer = engine.call(request)
        took = time.perf_counter() - start
        best = took if best is None else min(best, took)
    out[str(images)] = best
    out[f"digest{images}"] = hashlib.sha256(answer).hexdigest()
out["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
import json
print(json.dumps(out))
"""

NODE = """
const start = performance.now();
const { load } = await import("image-factory");
const engine = await load();
engine.about();
const out = { version: `Node ${process.versions.node}`, start: (performance.now() - start) / 1000 };
const { readFileSync } = await import("node:fs");
const { createHash } = await import("node:crypto");
for (const [images, times] of [[1, 200], [2000, 3]]) {
  const request = readFileSync(`${process.env.KIT}/images-${images}.json`);
  let best = Infinity, answer;
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    answer = engine.call(request);
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  out[images] = best;
  out[`digest${images}`] = createHash("sha256").update(answer).digest("hex");
}
out.memory = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify(out));
"""


def main() -> None:
    kit = str(Path(sys.argv[1]).resolve())
    python = HERE.parent.parent / "target/hosts-python/bin/python"
    rows = {
        "Python": run([str(python if python.exists() else sys.executable), "-c", PYTHON, kit], HERE),
        "JavaScript": run(
            ["env", f"KIT={kit}", "node", "--input-type=module", "-e", NODE], HERE / "javascript"
        ),
        "Go": run(["env", f"KIT={kit}", "go", "test", "-count=1", "-run=^TestMeasure$", "-v", "."], HERE / "go"),
    }
    print("| host | version | start-up, ms | 1 image, ms | 2,000 images, ms | memory, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for host, row in rows.items():
        times = " | ".join(f"{row[key] * 1000:.2f}" for key in ("start", "1", "2000"))
        print(f"| {host} | {row['version']} | {times} | {row['memory']:.0f} |")
    for images in (1, 2000):
        digests = {row[f"digest{images}"] for row in rows.values()}
        if len(digests) != 1:
            sys.exit(f"the answers for {images} images differ: {digests}")


def run(command: list[str], folder: Path) -> dict[str, object]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        sys.exit(f"{command[0]}: {done.stdout}{done.stderr}")
    return json.loads(lines[0])


main()
