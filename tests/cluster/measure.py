"""What the loop costs with the real parts, as one table."""
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time

import yaml

from factory import PLATFORM
from loop import World

ROUNDS = 10
WRITERS = 50
MANY = 1000


class Arrivals:
    """When each Freight of a Warehouse was there, by the API server's watch."""

    def __init__(self, api):
        self.api, self.at = api, {}
        version = api.ask("GET", api.path("freights"))["metadata"]["resourceVersion"]
        threading.Thread(target=self.follow, args=(version,), daemon=True).start()

    def follow(self, version):
        for event in self.api.watch(self.api.path("freights"), version, seconds=3600):
            if event["type"] == "ADDED":
                self.at[event["object"]["origin"]["name"]] = time.time()


def measure(cluster, checks, program):
    rows = []
    speed(cluster, checks, program, rows)
    writers(cluster, checks, program, rows)
    size(program, rows)
    idle(cluster, checks, program, rows)
    print("\n| what | measured |\n| --- | --- |")
    for what, measured in rows:
        print(f"| {what} | {measured} |")
    print(flush=True)


def spread(seconds):
    return f"{statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f}, {len(seconds)} times)"


def speed(cluster, checks, program, rows):
    """From Freight to what it is for, with one base image whose image is left alone, and one whose is rebuilt."""
    world = World(cluster, checks, program)
    host, within = world.host, checks.within
    world.builds_on = {"left": "base/left"}
    world.move("node 0")
    world.move("left 0", "base/left")
    host.repository("acme/shop", {"web/Dockerfile": world.dockerfile(), "left/Dockerfile": world.dockerfile("base/left")})
    images = yaml.safe_load(world.enrol("web", "left", rebuildDelay="0s"))
    images[1]["autoRebuild"] = False
    world.begin(yaml.safe_dump(images))
    bases = {}
    for image in ("web", "left"):
        bases[image] = within(90, f"{image} is enrolled", lambda: world.image(image).get("baseImages"))[0]
    world.factory.sync()
    for base in bases.values():
        within(90, "its base image is observed", lambda: world.factory.verification(f"observe-{base}") == "Successful")
    time.sleep(10)
    arrivals, committed, dispatched = Arrivals(world.api), [], []
    for number in range(1, ROUNDS + 1):
        base = bases["left"]
        moved = world.move(f"left {number}", "base/left")
        world.look("warehouses", base)
        within(90, f"a base image moves, {number}", lambda: world.base(base).get("currentDigest") == moved)
        committed.append(os.stat(f"{host.folder}/git/{PLATFORM}.git/refs/heads/main").st_mtime - arrivals.at[base])
    for number in range(1, ROUNDS + 1):
        base = bases["web"]
        world.move(f"node {number}")
        world.look("warehouses", base)
        within(90, f"a run is asked for, {number}", lambda: len(world.runs("web")) == number)
        dispatched.append(host.began[world.runs("web")[-1]["id"]] - arrivals.at[base])
        within(90, "and proved", lambda: world.status("web") == "monitoring")
        within(90, "and all Promotions end", lambda: set(world.factory.phases("rebuild-web")) == {"Succeeded"})
    jobs = [record for record in world.node.started if record.get("code") == 0]
    world.node.stop()
    rows.append(("a base image's Freight to committed state", spread(committed)))
    rows.append(("the same to a run that was asked for, without delay", spread(dispatched)))
    rows.append(("a Job's process, with clone and push", spread([record["ended"] - record["begun"] for record in jobs])))
    rows.append(("its memory at most", f"{max(record['memory'] for record in jobs) / 1024:.0f} MiB"))


def writers(cluster, checks, program, rows):
    """Jobs' processes that begin at once, each with news of another image, against one repository over HTTP."""
    world = World(cluster, checks, program)
    world.node.stop()
    names = [f"writer-{number}" for number in range(WRITERS)]
    entries = [{"name": name, "registry": cluster.registry, "repository": f"writers/{name}", "allowTags": "^1$"} for name in names]
    settings = {**yaml.safe_load(world.factory.settings()), "registries": {cluster.registry: {"plainHTTP": True}}}
    world.host.repository(PLATFORM, {"factory/images.yaml": yaml.safe_dump(entries), "factory/factory.yaml": yaml.safe_dump(settings)})
    pushed = {name: world.registry.push(f"writers/{name}", "1", name) for name in names}

    def job(*verb):
        where = [f"--git-repo={world.host.url}/git/{PLATFORM}.git", "--git-branch=main", "factory"]
        return subprocess.Popen([program, *verb, *where], env={"PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    enrolled = job("reconcile")
    checks.check("images are enrolled", enrolled.wait() == 0, enrolled.stderr.read())
    before = int(world.host.git(PLATFORM, "rev-list", "--count", "main"))
    begun, left, said = time.monotonic(), names, []
    # Kubernetes tries a Job again that ended with 3.
    for tries in range(1, 12):
        jobs = {name: job("observe", f"--name={name}") for name in left}
        said = [process.communicate()[1] for process in jobs.values()]
        left = [name for name, process in jobs.items() if process.returncode == 3]
        if not left:
            break
    took = time.monotonic() - begun
    commits = int(world.host.git(PLATFORM, "rev-list", "--count", "main")) - before
    lost = [name for name, digest in pushed.items() if world.image(name).get("currentDigest") != digest]
    checks.check("all of it is in", not lost and not left, [*lost, *said][:3])
    rows.append((f"{WRITERS} Jobs that begin at once, until all is in", f"{took:.0f} s, {commits} commits, tried {'once' if tries == 1 else f'{tries} times'} at most"))


def size(program, rows):
    """What a factory of 1,000 managed images on 200 base images renders to."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("images", "base-images"):
            os.makedirs(f"{folder}/state/{kind}")

        def write(path, thing):
            with open(f"{folder}/{path}", "w") as file:
                json.dump(thing, file)

        images = [f"image-{number}" for number in range(MANY)]
        write("factory.yaml", {"pipelines": True, "git": {"url": "https://github.com/acme/platform.git", "branch": "main", "path": "factory"}})
        write("images.yaml", [{"name": name, "registry": "ghcr.io", "repository": f"acme/{name}", "autoRebuild": True,
                               "source": {"provider": "github", "repo": f"acme/{name}", "branch": "main", "dockerfile": "Dockerfile", "workflow": "build.yml"}} for name in images])
        for number, name in enumerate(images):
            write(f"state/images/{name}.yaml", {"name": name, "enrolledAt": "2026-01-01T00:00:00Z", "discoveryStatus": "success", "baseImages": [f"base-{number % 200}"]})
        for number in range(200):
            write(f"state/base-images/base-{number}.yaml", {
                "name": f"base-{number}", "fullImage": f"docker.io/library/base-{number}:1", "registry": "docker.io", "repository": f"library/base-{number}", "tag": "1",
                "repoURL": f"docker.io/library/base-{number}", "allowTags": "^1$", "dependentImages": images[number::200]})
        done = subprocess.run([program, "generate", "--output", "json", folder], check=True, capture_output=True, text=True)
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    jobs = len([thing for thing in objects if thing["spec"].get("verification")])
    rows.append(("1,000 images on 200 base images: objects", f"{len(objects):,}, {len(done.stdout) / 1e6:.1f} MB of JSON"))
    rows.append(("the same: Stages with a Job, each run once at installation", f"{jobs:,}"))
    kept = application(objects)
    rows.append(("the same: the Application's status after a sync", f"{kept / 1e6:.1f} MB, {kept // len(objects)} bytes an object"))


def application(objects):
    """How many bytes Argo CD 3.5 keeps of them in the Application: `status.resources`, and the result of a
    sync that made all of them (pkg/apis/application/v1alpha1/types.go, ResourceStatus and ResourceResult)."""
    total = 0
    for thing in objects:
        what = {"group": "kargo.akuity.io", "version": "v1alpha1", "kind": thing["kind"], "namespace": thing["metadata"]["namespace"], "name": thing["metadata"]["name"]}
        made = f"{thing['kind'].lower()}.kargo.akuity.io/{what['name']} created"
        for entry in ({**what, "status": "Synced"}, {**what, "status": "Synced", "message": made, "hookPhase": "Running", "syncPhase": "Sync"}):
            total += len(json.dumps(entry, separators=(",", ":"))) + 1
    return total


def idle(cluster, checks, program, rows):
    """The controller's own part, with nothing but Warehouses that have nothing to do."""
    def usage(seconds):
        process = cluster.running["controller"].pid

        def ticks():
            with open(f"/proc/{process}/stat") as file:
                return sum(int(field) for field in file.read().rpartition(")")[2].split()[11:13])

        before = ticks()
        time.sleep(seconds)
        cores = (ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds
        with open(f"/proc/{process}/status") as file:
            memory = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        return f"{1000 * cores:.0f} thousandths of a core, {memory / 1024:.0f} MiB"

    cluster.empty()
    cluster.stop("controller")
    cluster.start("controller")
    time.sleep(30)
    rows.append(("Kargo's controller without a Warehouse, idle for a minute", usage(60)))
    world = World(cluster, checks, program)
    host = world.host
    entries = [{"name": f"image-{number}", "registry": cluster.registry, "repository": f"many/{number % 10}", "allowTags": f"^{number}$", "imageSelectionStrategy": "Lexical"}
               for number in range(MANY)]
    for number in range(MANY):
        world.registry.push(f"many/{number % 10}", str(number), f"image {number}")
    settings = {**yaml.safe_load(world.factory.settings()), "pipelines": False}
    host.repository(PLATFORM, {"factory/images.yaml": yaml.safe_dump(entries), "factory/factory.yaml": yaml.safe_dump(settings)})
    world.factory.install()
    begun = time.monotonic()
    world.factory.sync()
    checks.within(900, "each of 1,000 Warehouses made its Freight", lambda: len(cluster.api.list("freights")) == MANY)
    rows.append(("1,000 Warehouses, from applied to all Freight made", f"{time.monotonic() - begun:.0f} s"))
    time.sleep(60)
    rows.append(("Kargo's controller with 1,000 Warehouses, idle for two minutes", usage(120)))
    world.node.stop()
