"""The loop itself, from the first commit on: people commit, Kargo's Freight makes the Jobs run, the
Jobs commit state, what they committed is rendered and applied, and a moved base image ends as a new
image that holds it. The Jobs are the program that was built here.
"""
import itertools
import os
import re
import subprocess
import tempfile
import threading
import time

import yaml

from factory import PLATFORM, ROOT, Factory
from host import Host
from images import Registry
from node import Node
from parts import wait


class World:
    """A factory with one source repository, and a CI that builds what it is asked for."""

    def __init__(self, cluster, checks, program):
        self.cluster, self.checks, self.api = cluster, checks, cluster.api
        folder = tempfile.mkdtemp(prefix="world-", dir=cluster.work)
        self.host, self.registry = Host(folder), Registry(cluster.registry)
        self.node = Node(cluster.api, program, f"{folder}/node")
        self.factory = Factory(cluster, self.host, program)
        self.bases, self.numbers, self.lying = {}, itertools.count(1), False
        # The base image of an image, where that is not base/node; and its source, where not acme/shop.
        self.builds_on, self.sources = {}, {}

    def begin(self, images, patches=None, **more):
        """A factory with this images.yaml, in a repository of its own, and its objects."""
        self.settings = {**yaml.safe_load(self.factory.settings()), "defaults": {"settle": "0s", "maxWait": "10s", "rebuildDelay": "5s"},
                         "registries": {self.cluster.registry: {"plainHTTP": True}}, **more}
        self.host.repository(PLATFORM, {"factory/images.yaml": images, "factory/factory.yaml": yaml.safe_dump(self.settings)})
        self.factory.install(patches)
        self.factory.sync()

    def enrol(self, *images, **more):
        """images.yaml with these images, each built from its folder of acme/shop."""
        entries = []
        for name in images:
            entries.append({"name": name, "registry": self.cluster.registry, "repository": f"apps/{name}", "autoRebuild": True, "rebuildDelay": "5s", **more,
                            "source": {"provider": "github", "repo": self.sources.get(name, "acme/shop"), "branch": "main", "dockerfile": f"{name}/Dockerfile", "workflow": f"{name}.yml"}})
            if name == "web":  # published under a tag that moves
                entries[-1]["source"]["published"] = {"imageSelectionStrategy": "Digest", "constraint": "latest"}
            self.host.workflows[("acme/shop", f"{name}.yml")] = {"inputs": ["key", "image", "reason", "bases"], "build": self.build}
        return yaml.safe_dump(entries) if entries else "[]\n"

    def build(self, run):
        """What CI does: the Dockerfile's base image as it is now, and a layer on top."""
        name = run["workflow"].removesuffix(".yml")
        self.publish(name)
        return "success"

    def publish(self, name):
        number = next(self.numbers)
        base = self.builds_on.get(name, "base/node")
        digest = self.bases[base][0 if self.lying else -1]
        return self.registry.push(f"apps/{name}", "latest" if name == "web" else f"1.0.{number}", f"{name} {number}", base=digest,
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

    def attempts(self, name):
        return (self.image(name).get("rebuildState") or {}).get("attempts") or []

    def runs(self, image):
        return [run for run in self.host.runs if run["workflow"] == f"{image}.yml"]

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
    world.begin(world.enrol("web"))

    # Enrolled: the factory's Freight, reconcile, state, the base's objects.
    within(90, "a commit that enrols an image ends as its state", lambda: world.image("web").get("discoveryStatus") == "success")
    name = (world.image("web").get("baseImages") or ["?"])[0]
    check("its base image is known", world.base(name).get("fullImage") == f"{cluster.registry}/base/node:22", world.image("web"))
    message = host.git(PLATFORM, "log", "-1", "--format=%B")
    check("the commit says that CI need not run", "[skip ci]" in message, message)
    trailers = dict(line.split(": ", 1) for line in host.git(PLATFORM, "log", "-1", "--format=%(trailers:only,unfold)").splitlines() if line)
    check("and which Stage, Freight and Job made it, of which image",
          re.fullmatch(r"reconcile|sweep|discover-\S+", trailers.get("Stage", "")) and re.fullmatch(r"\S+\.git@[0-9a-f]{40}", trailers.get("Freight", ""))
          and trailers.get("Job", "").endswith(".run.1") and trailers.get("Image") == "web", message)
    wanted, _ = factory.sync()
    kinds = {(thing["kind"], thing["metadata"]["name"]) for thing in wanted}
    check("its Warehouse, its observer and its rebuilder are rendered",
          {("Warehouse", name), ("Stage", f"observe-{name}"), ("Stage", "rebuild-web")} <= kinds, kinds)
    within(90, "the source was looked at", lambda: world.node.ran("analyze", f"--source-repo={host.url}/git/acme/shop.git"))
    within(90, "the base image was looked at", lambda: factory.verification(f"observe-{name}") == "Successful")
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
    world.builds_on["api"] = "base/python"
    world.look("warehouses", world.source())
    within(90, "mended, it is well again", lambda: world.image("api").get("discoveryStatus") == "success")
    other = (world.image("api").get("baseImages") or ["?"])[0]
    check("and has its new base image", other != name and world.base(other), world.image("api"))
    factory.sync()

    rebuilt(world, name)
    own_source(world)
    outage(world, name, other)

    # It leaves: archived, pruned, and nothing hangs.
    host.commit(PLATFORM, "api leaves", {"factory/images.yaml": world.enrol("web", "own")})
    world.look("warehouses", "factory")
    within(120, "what left is archived", lambda: not world.image("api") and factory.state("_archive/images/api.yaml"))
    _, pruned = factory.sync()
    check("its objects are pruned", {"Stage analyze-api", "Stage analyzed-api", "Warehouse built-api"} <= set(pruned), pruned)
    within(60, "and are gone", lambda: not [thing for thing in api.list("stages") if "-api" in thing["metadata"]["name"]])
    try:
        wait(60, "peace", lambda: not factory.complaints())
    except TimeoutError:
        pass
    complaints = factory.complaints()
    check("no Stage and no Warehouse complains", not complaints, complaints)

    # Freight of what left stays: Kargo collects it only below a Warehouse that is there.
    orphans = orphaned(cluster)
    left = [f"freight.kargo.akuity.io/{thing['metadata']['name']}" for thing in api.list("freights") if thing["origin"]["name"] == "built-api"]
    check("Freight that nothing watches is found", left and sorted(orphans) == sorted(left), (orphans, left))
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


class Builder:
    """A CI that builds an image for each commit of a repository, unless the message says not to."""

    def __init__(self, world, repository, image):
        self.world, self.repository, self.image = world, repository, image
        self.builds, self.heeds, self.stopping = 0, True, False
        self.seen = world.host.git(repository, "rev-parse", "main")
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        while not self.stopping:
            time.sleep(0.3)
            tip = self.world.host.git(self.repository, "rev-parse", "main")
            for commit in self.world.host.git(self.repository, "rev-list", "--reverse", f"{self.seen}..{tip}").split():
                if self.heeds and "[skip ci]" in self.world.host.git(self.repository, "log", "-1", "--format=%B", commit):
                    continue
                self.world.publish(self.image)
                self.builds += 1
                self.world.look("warehouses", f"built-{self.image}")
            self.seen = tip

    def stop(self):
        self.stopping = True
        self.thread.join()


def own_source(world):
    """State stands in the repository that CI builds on every push: what state says of a build is a
    commit, which must not be a build again."""
    host, factory, within, check = world.host, world.factory, world.checks.within, world.checks.check
    world.sources["own"], world.builds_on["own"] = PLATFORM, "base/python"
    host.commit(PLATFORM, "an image of this repository", {
        "factory/images.yaml": world.enrol("web", "api", "own"), "own/Dockerfile": world.dockerfile("base/python")})
    world.look("warehouses", "factory")
    within(90, "an image whose source is the factory's own repository is known", lambda: world.image("own").get("baseImages"))
    factory.sync()
    within(60, "its own Warehouse is there", lambda: world.api.get("warehouses", "built-own"))
    within(90, "its source was looked at", lambda: world.node.ran("analyze", f"--source-repo={host.url}/git/{PLATFORM}.git"))
    builder = Builder(world, PLATFORM, "own")
    host.commit(PLATFORM, "a change", {"own/text": "one"})
    within(60, "CI builds what a person pushed", lambda: builder.builds == 1)
    within(90, "what it built is recorded", lambda: world.image("own").get("currentVersion"))
    tip = host.git(PLATFORM, "rev-parse", "main")
    time.sleep(20)
    check("and that is no build again: the loop stops", builder.builds == 1 and host.git(PLATFORM, "rev-parse", "main") == tip,
          (builder.builds, host.git(PLATFORM, "log", "--oneline", f"{tip}..main")))
    builder.heeds = False
    host.commit(PLATFORM, "another change", {"own/text": "two"})
    within(180, "(a CI that does not heed the marker builds on and on)", lambda: builder.builds >= 4)
    builder.heeds = True
    time.sleep(20)
    builds = builder.builds
    time.sleep(20)
    check("once it heeds it, it stops", builder.builds == builds, (builds, builder.builds))
    builder.stop()


def outage(world, name, other):
    """Git and the registry are down as a Job starts, and the controller dies. Nobody touches anything,
    not even to have Kargo look; all facts arrive."""
    cluster, host, factory, within = world.cluster, world.host, world.factory, world.checks.within
    world.settings["intervals"] = {kind: "20s" for kind in ("base", "built", "published", "source", "factory")}
    host.commit(PLATFORM, "look often", {"factory/factory.yaml": yaml.safe_dump(world.settings)})
    factory.sync()
    facts = {}

    def fall(arguments):
        if not host.down and f"--source-repo={host.url}/git/acme/shop.git" in arguments:
            facts["moved"], facts["version"] = world.move("node during the outage"), world.publish("api")
            host.down = True
            cluster.stop("registry")
        return None

    world.node.before = fall
    host.commit("acme/shop", "another base for web too", {"web/Dockerfile": world.dockerfile() + f"COPY --from={cluster.registry}/base/python:22 / /x\n"})
    within(120, "git and the registry are down as a Job starts", lambda: host.down)
    world.node.before = lambda arguments: None
    time.sleep(30)
    cluster.stop("controller", 9)
    cluster.start("controller")
    time.sleep(60)
    cluster.start("registry")
    host.down = False
    within(600, "after a minute and a half without them: what the Job was about", lambda: set(world.image("web").get("baseImages") or []) == {name, other})
    within(600, "a base image that moved just before", lambda: world.base(name).get("currentDigest") == facts["moved"])
    within(600, "and an image that was published just before", lambda: world.image("api").get("currentDigest") == facts["version"])
    within(600, "and what follows from them is done", lambda: world.status("web") == "monitoring")


def orphaned(cluster):
    """The README's command: Freight whose Warehouse is gone."""
    with open(f"{ROOT}/kustomize/README.md") as file:
        text = file.read()
    command = re.search(r"```sh\n(# Freight that nothing watches.*?)```", text, re.S)[1]
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env={**os.environ, "KUBECONFIG": f"{cluster.pki}/admin.kubeconfig"})
    return done.stdout.split()


def rebuilt(world, name):
    """A base image moves, and its images are rebuilt, once, and proved."""
    factory, within, check, runs = world.factory, world.checks.within, world.checks.check, world.runs
    published = world.publish("web")
    world.look("warehouses", "built-web")
    within(90, "a published image is recorded", lambda: world.image("web").get("currentDigest") == published)
    moved = world.move("node two")
    world.look("warehouses", name)
    within(90, "another digest under the base's tag: its history has it", lambda: world.base(name).get("currentDigest") == moved)
    within(30, "and its image is to be rebuilt", lambda: world.status("web") == "pending" or runs("web"))
    within(120, "when it is due, a run is asked for", lambda: runs("web"))
    within(120, "the new image is proved: nothing is pending", lambda: world.status("web") == "monitoring")
    attempts = world.attempts("web") or [{}]
    check("the attempt is recorded as fresh", attempts[-1].get("outcome") == "fresh", attempts)
    within(120, "all its Promotions end", lambda: set(factory.phases("rebuild-web")) == {"Succeeded"})
    check("one run, not more", len(runs("web")) == 1, len(runs("web")))

    # CI builds from a cache, on the base image of before.
    world.lying = True
    moved = world.move("node three")
    world.look("warehouses", name)
    within(120, "a build that does not hold the new base is held", lambda: world.status("web") == "held")
    attempts = world.attempts("web") or [{}]
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

    # It moves five times while it is pending, and the host of state is down meanwhile: one run, on the
    # last of them.
    host = world.host
    slow = world.enrol("web", "api", rebuildDelay="150s")
    host.commit(PLATFORM, "a longer delay", {"factory/images.yaml": slow})
    world.look("warehouses", "factory")
    within(90, "a longer delay is known", lambda: (world.image("web").get("enrollment") or {}).get("rebuildDelay") == "150s")
    for number in range(1, 6):
        moved = world.move(f"node four {number}")
        world.look("warehouses", name)
        within(90, f"the base image moves, {number} of 5", lambda: world.base(name).get("currentDigest") == moved)
        state = world.image("web").get("rebuildState") or {}
        first = state if number == 1 else first
        check("its image is pending, for the newest, and no later than before",
              state.get("status") == "pending" and state["reasons"][0]["to"] == moved and state["driftSince"] == first["driftSince"]
              and state["deadline"] == first["deadline"], state)
        if number == 3:
            host.down = True
            time.sleep(15)
            host.down = False
    within(400, "when it is due, a run is asked for", lambda: len(runs("web")) == 3)
    within(120, "which is proved", lambda: world.status("web") == "monitoring")
    within(120, "all Promotions end", lambda: set(factory.phases("rebuild-web")) == {"Succeeded"})
    check("one run, not five", len(runs("web")) == 3, len(runs("web")))
    host.commit(PLATFORM, "the delay of before", {"factory/images.yaml": world.enrol("web", "api")})
    world.look("warehouses", "factory")
    within(90, "the delay of before is known", lambda: (world.image("web").get("enrollment") or {}).get("rebuildDelay") == "5s")

    # Back to a digest that there was before: Kargo makes no Freight of it, but the sweep looks.
    back = world.registry.push("base/node", "22", "node two")
    check("(it is the digest from before)", back == world.bases["base/node"][1], back)
    world.bases["base/node"].append(back)
    world.look("warehouses", "sweep")
    within(120, "a tag that goes A, B, A is made good by the sweep", lambda: world.base(name).get("currentDigest") == back)
    beat = within(120, "which leaves its heartbeat", lambda: (world.factory.state("sweep.yaml") or {}).get("lastSweep"))
    within(180, "and its image is rebuilt for it", lambda: len(runs("web")) == 4 and world.status("web") == "monitoring")
    world.look("warehouses", "sweep")
    beat = within(120, "each sweep arms the next", lambda: later((world.factory.state("sweep.yaml") or {}).get("lastSweep"), beat))

    # A sweep's Freight goes on to the rebuilder, whose `prove` looks at the base image as well.
    def through():
        newest = max((thing for thing in world.api.list("freights") if thing["origin"]["name"] == "sweep"), key=lambda thing: thing["metadata"]["creationTimestamp"])
        held = world.api.get("stages", "rebuild-web")["status"]["freightHistory"][0]
        return newest["metadata"]["name"] in str(held) and factory.verification("rebuild-web") == "Successful"

    within(120, "and goes through its image's rebuilder", through)

    # A Job fails for good, with nobody to start it again but the sweep.
    world.node.before = lambda arguments: 70 if arguments[0] == "observe" and f"--name={name}" in arguments else None
    moved = world.move("node five")
    world.look("warehouses", name)
    within(60, "a Job fails for good", lambda: [record for record in world.node.ran("observe", f"--name={name}") if record["code"] == 70])
    within(60, "and Kargo leaves it at that", lambda: factory.verification(f"observe-{name}") == "Failed")
    world.node.before = lambda arguments: None
    check("so its fact is not known", world.base(name).get("currentDigest") == back, world.base(name))
    world.look("warehouses", "sweep")
    within(120, "the sweep makes it good", lambda: world.base(name).get("currentDigest") == moved)
    within(180, "and its image is rebuilt for it", lambda: len(runs("web")) == 5 and world.status("web") == "monitoring")


def later(found, before):
    return found if found and found != before else None


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
