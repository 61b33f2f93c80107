"""Whole processes, one after the other in one run: the cdk8s app and image-factory on one folder.

    pip install cdk8s pyyaml        # cdk8s also needs Node.js
    cargo build --release
    python3 tests/harness/peers/compare.py

Each round runs one and then the other, so that what else the machine does meets both; the ratio is
taken within a round, and the median over the rounds is printed. Then image-factory alone renders
100,000 images, to show that the time grows with their number and no faster.
"""

import argparse
import json
import pathlib
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


def seconds(command, output):
    """How long a process takes from start to end; what it prints goes to files."""
    errors = output.with_name("errors")
    with open(output, "wb") as out, open(errors, "wb") as err:
        start = time.perf_counter()
        status = subprocess.run(command, stdout=out, stderr=err).returncode
        took = time.perf_counter() - start
    if status:
        sys.exit(f"{shlex.join(command)} ended with {status}:\n{errors.read_text(errors='replace')}")
    return took


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
            took = seconds(commands[name], printed if name == "image-factory" else work / "log")
            if number:
                times[name].append(took)
    theirs = names(dist / "image-factory.k8s.yaml")
    assert names(printed) == theirs, "the two render different Warehouses"
    ratios = [slow / fast for slow, fast in zip(times["cdk8s"], times["image-factory"])]
    print(f"{images} images, {len(theirs)} Warehouses, {rounds} rounds")
    for name, took in times.items():
        print(f"  {name:14} median {statistics.median(took) * 1000:8.1f} ms, least {min(took) * 1000:8.1f} ms")
    print(f"  cdk8s / image-factory: median {statistics.median(ratios):.1f}, from {min(ratios):.1f} to {max(ratios):.1f}")


def grow(work, ours, small, large, rounds):
    times = {}
    for images in (small, large):
        make_factory(work / f"factory-{images}", images)
        seconds([*ours, str(work / f"factory-{images}")], work / "printed")
        times[images] = []
    for _ in range(rounds):
        for images, took in times.items():
            took.append(seconds([*ours, str(work / f"factory-{images}")], work / "printed"))
    # The least time is the one that other processes disturbed least.
    least = {images: min(took) for images, took in times.items()}
    factor = least[large] / least[small]
    print(f"image-factory alone, least of {rounds} rounds")
    for images, took in least.items():
        print(f"  {images:7} images: {took * 1000:8.1f} ms, {took / images * 1e6:6.1f} us an image")
    print(f"  {large // small} times the images take {factor:.1f} times as long ({factor / (large / small):.2f} of linear)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=OURS, help="what to run, before the folder (default: %(default)s)")
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--large", type=int, default=100_000, help="0: leave it out")
    parser.add_argument("--large-rounds", type=int, default=3)
    options = parser.parse_args()
    ours = shlex.split(options.ours)
    with tempfile.TemporaryDirectory() as work:
        compare(pathlib.Path(work), ours, options.images, options.rounds)
        if options.large:
            grow(pathlib.Path(work), ours, options.images, options.large, options.large_rounds)


if __name__ == "__main__":
    main()
