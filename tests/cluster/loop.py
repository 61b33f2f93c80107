"""The loop itself, from the first commit on: people commit, Kargo's Freight makes the Jobs run, the
Jobs commit state, what they committed is rendered and applied, and a moved base image ends as a new
image that holds it. The Jobs are the program that was built here.
"""
import os
import re
import subprocess
import time

import yaml

from factory import PLATFORM, ROOT, Factory
from host import Host
from images import Registry
from node import Node

JOBS = ("analyze", "observe", "reconcile", "sweep", "prove")


class World:
    """A factory with one source repository, and a CI that builds what it is asked for."""

    def __init__(self, cluster, checks, program):
        self.cluster, self.checks, self.api = cluster, checks, cluster.api
        self.host, self.registry = Host(f"{cluster.work}/loop"), Registry(cluster.registry)
        self.node = Node(cluster.api, program, f"{cluster.work}/loop-node")
        self.factory = Factory(cluster, self.host, program)
        help_text = subprocess.run([program, "--help"], capture_output=True, text=True).stdout
        self.verbs = {verb for verb in JOBS if re.search(rf"^  {verb}\b", help_text, re.M)}
        for verb in set(JOBS) - self.verbs:
            print(f"  (there is no verb {verb} yet: its Jobs end at once, and what it does is not tested)", flush=True)
        self.node.before = lambda arguments: None if arguments[0] in self.verbs else 0
        self.bases, self.number, self.lying = {}, 0, False

    def enrol(self, *images):
        """images.yaml with these images, each built from its folder of acme/shop."""
        entries = []
        for name in images:
            entries.append({"name": name, "registry": self.cluster.registry, "repository": f"apps/{name}", "autoRebuild": True, "rebuildDelay": "5s",
                            "source": {"provider": "github", "repo": "acme/shop", "branch": "main", "dockerfile": f"{name}/Dockerfile", "workflow": f"{name}.yml"}})
            if name == "web":  # published under a tag that moves
                entries[-1]["source"]["published"] = {"imageSelectionStrategy": "Digest", "constraint": "latest"}
            self.host.workflows[("acme/shop", f"{name}.yml")] = {"inputs": ["key", "image", "reason", "bases"], "build": self.build}
        return yaml.safe_dump(entries) if entries else "[]\n"

    def build(self, run):
        """What CI does: the Dockerfile's base image as it is now, and a layer on top."""
        name = run["workflow"].removesuffix(".yml")
        self.publish(name)
        return "success"

    def publish(self, name, base="base/node"):
        self.number += 1
        digest = self.bases[base][0 if self.lying else -1]
        return self.registry.push(f"apps/{name}", "latest" if name == "web" else f"1.0.{self.number}", f"{name} {self.number}", base=digest,
                                  annotations={"org.opencontainers.image.base.name": f"{self.cluster.registry}/{base}:22",
                                               "org.opencontainers.image.base.digest": digest})

    def move(self, text, base="base/node"):
        """Pushes another base image under its tag."""
        digest = self.registry.push(base, "22", text)
        self.bases.setdefault(base, []).append(digest)
        return digest

    def dockerfile(self, base="base/node"):
        return f"FROM {self.cluster.registry}/{base}:22\nCOPY . /app\n"

    def image(self, name):
        return self.factory.state(f"images/{name}.yaml") or {}

    def status(self, name):
        return (self.image(name).get("rebuildState") or {}).get("status")

    def base(self, name):
        return self.factory.state(f"base-images/{name}.yaml") or {}

    def look(self, kind, name):
        """A person, or a webhook of the host: look now."""
        self.api.refresh(kind, name)

    def source(self):
        return next(thing["metadata"]["name"] for thing in self.api.list("warehouses", selector="image-factory.dev/role=source"))


def loop(cluster, checks, program):
    world = World(cluster, checks, program)
    host, factory, api, within, check = world.host, world.factory, world.api, checks.within, checks.check
    world.move("node one")
    world.move("python one", "base/python")
    host.repository("acme/shop", {"web/Dockerfile": world.dockerfile(), "api/Dockerfile": world.dockerfile()})
    settings = yaml.safe_load(factory.settings())
    settings["defaults"] = {"settle": "0s", "maxWait": "10s", "rebuildDelay": "5s"}
    settings["registries"] = {cluster.registry: {"plainHTTP": True}}
    host.repository(PLATFORM, {"factory/images.yaml": world.enrol("web"), "factory/factory.yaml": yaml.safe_dump(settings)})
    factory.install()
    begun = time.monotonic()
    factory.sync()

    # Enrolled: the factory's Freight, reconcile, state, the base's objects.
    within(90, "a commit that enrols an image ends as its state", lambda: world.image("web").get("discoveryStatus") == "success")
    print(f"          (Freight to committed state: {time.monotonic() - begun:.1f} s)", flush=True)
    name = (world.image("web").get("baseImages") or ["?"])[0]
    check("its base image is known", world.base(name).get("fullImage") == f"{cluster.registry}/base/node:22", world.image("web"))
    message = host.git(PLATFORM, "log", "-1", "--format=%B")
    check("the commit says that CI need not run", "[skip ci]" in message, message)
    wanted, _ = factory.sync()
    kinds = {(thing["kind"], thing["metadata"]["name"]) for thing in wanted}
    check("its Warehouse, its observer and its rebuilder are rendered",
          {("Warehouse", name), ("Stage", f"observe-{name}"), ("Stage", "rebuild-web")} <= kinds, kinds)
    within(90, "the source was looked at", lambda: world.node.ran("analyze", f"--source-repo={host.url}/git/acme/shop.git"))
    within(90, "the base image was looked at", lambda: factory.verification(f"observe-{name}") == "Successful")
    if "observe" in world.verbs:
        within(30, "its digest is the baseline", lambda: world.base(name).get("currentDigest") == world.bases["base/node"][0])
        check("nothing is pending", world.status("web") == "monitoring", world.status("web"))

    # A second image of a repository that is watched already: its Freight is no news, reconcile looks.
    host.commit(PLATFORM, "enrol api", {"factory/images.yaml": world.enrol("web", "api")})
    world.look("warehouses", "factory")
    within(90, "a second image of the same repository is analyzed", lambda: world.image("api").get("baseImages") == [name])
    factory.sync()

    within(60, "its own Warehouse is there", lambda: api.get("warehouses", "built-api"))
    version = world.publish("api")
    world.look("warehouses", "built-api")
    within(90, "what CI publishes is recorded", lambda: world.image("api").get("currentDigest") == version)

    # A Dockerfile breaks; the other image does not mind; it heals.
    host.commit("acme/shop", "break", {"api/Dockerfile": "FORM nothing\n"})
    world.look("warehouses", world.source())
    within(90, "a broken Dockerfile is recorded as failed", lambda: world.image("api").get("discoveryStatus") == "failed")
    check("with its error, and the bases it had", world.image("api").get("discoveryError", {}).get("line") == 1
          and world.image("api").get("baseImages") == [name], world.image("api"))
    check("the other image is fine", world.image("web").get("discoveryStatus") == "success")
    host.commit("acme/shop", "mend", {"api/Dockerfile": world.dockerfile("base/python")})
    world.look("warehouses", world.source())
    within(90, "mended, it is well again", lambda: world.image("api").get("discoveryStatus") == "success")
    other = (world.image("api").get("baseImages") or ["?"])[0]
    check("and has its new base image", other != name and world.base(other), world.image("api"))
    factory.sync()

    if {"observe", "prove"} <= world.verbs:
        rebuilt(world, name)

    # The git host is down; nobody touches anything; all facts arrive.
    host.commit("acme/shop", "another base for web too", {"web/Dockerfile": world.dockerfile() + f"COPY --from={cluster.registry}/base/python:22 / /x\n"})
    host.down = True
    world.look("warehouses", world.source())
    cluster.stop("controller", 9)
    time.sleep(20)
    host.down = False
    cluster.start("controller")
    within(300, "after 20 s without a git host, and a controller that was killed, the fact is there",
           lambda: set(world.image("web").get("baseImages") or []) == {name, other})

    # It leaves: archived, pruned, and nothing hangs.
    host.commit(PLATFORM, "api leaves", {"factory/images.yaml": world.enrol("web")})
    world.look("warehouses", "factory")
    within(120, "what left is archived", lambda: not world.image("api") and factory.state("_archive/images/api.yaml"))
    _, pruned = factory.sync()
    check("its objects are pruned", {"Stage analyze-api", "Stage analyzed-api", "Warehouse built-api"} <= set(pruned), pruned)
    within(60, "and are gone", lambda: not [thing for thing in api.list("stages") if "-api" in thing["metadata"]["name"]])
    complaints = factory.complaints()
    check("no Stage and no Warehouse complains", not complaints, complaints)

    # Freight of what left stays: Kargo collects it only below a Warehouse that is there.
    orphans = orphaned(cluster)
    check("Freight that nothing watches is found", len(orphans) == 1, orphans)
    for line in orphans:
        cluster.kubectl("-n", "image-factory", "delete", line, "--wait=false")
    check("and deleted", not orphaned(cluster), orphaned(cluster))

    history = host.git(PLATFORM, "log", "--format=%an", "--min-parents=2")
    check("the history is one line", not history, history)
    touched = host.git(PLATFORM, "log", "--author=Image Factory Bot", "--name-only", "--format=").split("\n")
    check("the Jobs wrote nothing but state", all(path.startswith("factory/state/") for path in touched if path), touched)
    secret = "a-word"
    leaked = [record["log"] for record in world.node.started if "code" in record and secret in read(record["log"])]
    check("no log of a Job holds a credential", not leaked, leaked)
    check("and no argument does", not [record for record in world.node.started if secret in " ".join(record["arguments"])])
    world.node.stop()


def orphaned(cluster):
    """The README's command: Freight whose Warehouse is gone."""
    with open(f"{ROOT}/kustomize/README.md") as file:
        text = file.read()
    command = re.search(r"```sh\n(# Freight that nothing watches.*?)```", text, re.S)[1]
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env={**os.environ, "KUBECONFIG": f"{cluster.pki}/admin.kubeconfig"})
    return done.stdout.split()


def rebuilt(world, name):
    """A base image moves, and its images are rebuilt, once, and proved."""
    host, factory, within, check = world.host, world.factory, world.checks.within, world.checks.check

    def runs(image):
        return [run for run in host.runs if run["workflow"] == f"{image}.yml"]

    published = world.publish("web")
    world.look("warehouses", "built-web")
    within(90, "a published image is recorded", lambda: world.image("web").get("currentDigest") == published)
    moved = world.move("node two")
    world.look("warehouses", name)
    within(90, "another digest under the base's tag: its history has it", lambda: world.base(name).get("currentDigest") == moved)
    within(30, "and its image is to be rebuilt", lambda: world.status("web") == "pending" or runs("web"))
    within(120, "when it is due, a run is asked for", lambda: runs("web"))
    within(120, "the new image is proved: nothing is pending", lambda: world.status("web") == "monitoring")
    attempts = (world.image("web").get("rebuildState") or {}).get("attempts") or [{}]
    check("the attempt is recorded as fresh", attempts[-1].get("outcome") == "fresh", attempts)
    within(120, "all its Promotions end", lambda: set(factory.phases("rebuild-web")) == {"Succeeded"})
    check("one run, not more", len(runs("web")) == 1, len(runs("web")))

    # CI builds from a cache, on the base image of before.
    world.lying = True
    moved = world.move("node three")
    world.look("warehouses", name)
    within(120, "a build that does not hold the new base is held", lambda: world.status("web") == "held")
    attempts = (world.image("web").get("rebuildState") or {}).get("attempts") or [{}]
    check("as stale, with the cause", attempts[-1].get("outcome") == "stale" and attempts[-1].get("cause"), attempts[-1])
    check("nothing more is asked for", len(runs("web")) == 2, len(runs("web")))
    world.lying = False
    world.publish("web")
    world.look("warehouses", "built-web")
    within(120, "a developer's own build that holds it ends that", lambda: world.status("web") == "monitoring")
    check("without another run", len(runs("web")) == 2, len(runs("web")))

    # The same layers and configuration under another digest, as a rebuilt index or attestation gives.
    same = world.registry.push("base/node", "22", "node three", annotations={"note": "pushed again"})
    check("(it is another digest)", same != moved)
    world.look("warehouses", name)
    within(90, "the same content under a new digest is seen", lambda: world.base(name).get("currentDigest") == same)
    check("and makes nothing pending", world.status("web") == "monitoring", world.status("web"))
    world.bases["base/node"].append(same)

    if "sweep" in world.verbs:
        # Back to a digest that there was before: Kargo makes no Freight of it, but the sweep looks.
        back = world.registry.push("base/node", "22", "node two")
        check("(it is the digest from before)", back == world.bases["base/node"][1], back)
        world.bases["base/node"].append(back)
        world.look("warehouses", "sweep")
        within(120, "a tag that goes A, B, A is made good by the sweep", lambda: world.base(name).get("currentDigest") == back)
        beat = within(120, "which leaves its heartbeat", lambda: (world.factory.state("sweep.yaml") or {}).get("lastSweep"))
        within(180, "and its image is rebuilt for it", lambda: len(runs("web")) == 3 and world.status("web") == "monitoring")
        world.look("warehouses", "sweep")
        within(120, "each sweep arms the next", lambda: (world.factory.state("sweep.yaml") or {}).get("lastSweep") != beat)


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
