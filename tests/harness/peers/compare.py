"""Whole processes, one after the other in one run: the cdk8s app and image-factory on one folder.

    pip install cdk8s pyyaml        # cdk8s also needs Node.js
    cargo build --release
    python3 tests/harness/peers/compare.py

Each round runs one and then the other, so that what else the machine does meets both; the ratio is
taken within a round, and the median over the rounds is printed: of the time from start to end, and
of the processor time, which a busy machine disturbs less. Then image-factory alone renders 100,000
images, to show that the time grows with their number and no faster.
"""

import argparse
import json
import pathlib
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
OURS = f"{ROOT / 'target/release/image-factory'} generate --output json"


def make_factory(folder, images):
    """Writes a factory with the tests' own generator."""
    command = ["cargo", "run", "--quiet", "--release", "-p", "image-factory-harness", "--example", "make_factory", "--"]
    subprocess.run([*command, str(folder), str(images)], check=True, cwd=ROOT)


class Took:
    """Seconds from start to end, and of all processors together."""

    def __init__(self, wall, cpu):
        self.wall, self.cpu = wall, cpu


def run(command, output):
    """Runs a process to its end; what it prints goes to files."""
    cpu = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    errors = output.with_name("errors")
    with open(output, "wb") as out, open(errors, "wb") as err:
        start = time.perf_counter()
        status = subprocess.run(command, stdout=out, stderr=err).returncode
        wall = time.perf_counter() - start
    cpu = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - cpu
    if status:
        sys.exit(f"{shlex.join(command)} ended with {status}:\n{errors.read_text(errors='replace')}")
    return Took(wall, cpu)


def names(output):
    """The names of the objects in a YAML or NDJSON file, sorted."""
    text = output.read_text(encoding="utf-8")
    if text.startswith("{"):
        objects = [json.loads(line) for line in text.splitlines()]
    else:
        objects = list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    return sorted(found["metadata"]["name"] for found in objects)


def compare(work, ours, images, rounds):
    factory = work / "factory"
    make_factory(factory, images)
    dist, printed = work / "dist", work / "printed"
    commands = {
        "cdk8s": [sys.executable, str(HERE / "cdk8s_app.py"), str(factory), str(dist)],
        "image-factory": [*ours, str(factory)],
    }
    times = {name: [] for name in commands}
    # One round first that doesn't count: caches of files and of compiled code.
    for number in range(rounds + 1):
        order = list(commands) if number % 2 else list(commands)[::-1]
        for name in order:
            took = run(commands[name], printed if name == "image-factory" else work / "log")
            if number:
                times[name].append(took)
    theirs = names(dist / "image-factory.k8s.yaml")
    assert names(printed) == theirs, "the two render different Warehouses"
    print(f"{images} images, {len(theirs)} Warehouses, median of {rounds} rounds")
    for name, rounds_of in times.items():
        wall, cpu = (statistics.median(getattr(took, kind) for took in rounds_of) for kind in ("wall", "cpu"))
        print(f"  {name:14} {wall * 1000:8.1f} ms from start to end, {cpu * 1000:8.1f} ms of processor time")
    for kind, what in (("wall", "from start to end"), ("cpu", "processor time")):
        ratios = [getattr(slow, kind) / getattr(fast, kind) for slow, fast in zip(*times.values())]
        print(f"  times faster, {what}: {statistics.median(ratios):.1f} (from {min(ratios):.1f} to {max(ratios):.1f})")


def grow(work, ours, small, large, rounds):
    times = {small: [], large: []}
    for images in times:
        make_factory(work / f"factory-{images}", images)
    for number in range(rounds + 1):
        for images, took in times.items():
            cpu = run([*ours, str(work / f"factory-{images}")], work / "printed").cpu
            if number:
                took.append(cpu)
    # The least time is the one that other processes disturbed least.
    least = {images: min(took) for images, took in times.items()}
    factor = least[large] / least[small] / (large / small)
    print(f"image-factory alone, least processor time of {rounds} rounds")
    for images, took in least.items():
        print(f"  {images:7} images: {took * 1000:8.1f} ms, {took / images * 1e6:6.1f} us an image")
    print(f"  {large // small} times the images take {factor:.2f} times as long an image")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=OURS, help="what to run, before the folder (default: %(default)s)")
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--large", type=int, default=100_000, help="0: leave it out")
    parser.add_argument("--large-rounds", type=int, default=5)
    options = parser.parse_args()
    ours = shlex.split(options.ours)
    with tempfile.TemporaryDirectory() as work:
        compare(pathlib.Path(work), ours, options.images, options.rounds)
        if options.large:
            grow(pathlib.Path(work), ours, options.images, options.large, options.large_rounds)


if __name__ == "__main__":
    main()
