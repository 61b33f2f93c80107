"""Every line of the runbook in kustomize/README.md: for kubectl by somebody who has the Role
`image-factory-operator` and nothing else, for Kargo's CLI by Kargo's administrator.
"""
import itertools
import os
import re
import subprocess
import time

import yaml

from factory import PLATFORM, PROJECT, ROOT
from loop import World

OPERATOR = "jane"
# Whom Kargo writes down.
WHO = {"kubectl": OPERATOR, "kargo": "admin"}


class Operator:
    """Somebody at a shell, with kubectl as a ServiceAccount with the Role, and Kargo's CLI."""

    def __init__(self, cluster):
        api = cluster.api
        api.ask("POST", api.path("serviceaccounts"), {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": OPERATOR}})
        api.ask("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{PROJECT}/rolebindings", {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": OPERATOR},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "image-factory-operator"},
            "subjects": [{"kind": "ServiceAccount", "name": OPERATOR, "namespace": PROJECT}]})
        asked = api.ask("POST", api.path("serviceaccounts", name=f"{OPERATOR}/token"),
                        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
        self.token = asked["status"]["token"]
        home = f"{cluster.work}/operator"
        os.makedirs(f"{home}/bin")
        os.symlink(f"{cluster.bin}/kargo-cli", f"{home}/bin/kargo")
        with open(f"{cluster.pki}/admin.kubeconfig") as file:
            config = yaml.safe_load(file)
        config["users"][0]["user"] = {"token": self.token}
        with open(f"{home}/kubeconfig", "w") as file:
            yaml.safe_dump(config, file)
        self.url = f"http://127.0.0.1:{cluster.port['kargo-api']}"
        self.environment = {"PATH": f"{home}/bin:{os.environ['PATH']}", "HOME": home, "KUBECONFIG": f"{home}/kubeconfig"}
        with open(f"{ROOT}/kustomize/README.md") as file:
            self.text = file.read()

    def line(self, heading, tool, **words):
        """What stands below a comment of the runbook, for one of the tools, with these words filled in."""
        below = re.search(rf"^# {re.escape(heading)}.*\n((?:[^#`\n].*\n)+)", self.text, re.M)[1]
        command = "".join(re.findall(r"^kargo .*\n" if tool == "kargo" else r"^(?!kargo ).+\n", below, re.M))
        for word, value in words.items():
            command = re.sub(rf"\b{word}\b", value, command)
        return command

    def run(self, command):
        """Runs it; what it said where it failed, else nothing."""
        done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, env=self.environment)
        return f"{command}{done.stdout}{done.stderr}" if done.returncode else ""


def runbook(cluster, checks, program):
    world = World(cluster, checks, program)
    host, factory, api, within, check = world.host, world.factory, world.api, checks.within, checks.check
    world.move("node one")
    host.repository("acme/shop", {"web/Dockerfile": world.dockerfile()})
    world.begin(world.enrol("web", rebuildDelay="24h"), intervals={"built": "20s"})
    within(90, "web is enrolled", lambda: world.image("web").get("baseImages"))
    base = world.image("web")["baseImages"][0]
    factory.sync()
    within(90, "its base image is observed", lambda: factory.verification(f"observe-{base}") == "Successful")
    cluster.start("kargo-api")
    operator = Operator(cluster)
    within(60, "Kargo's CLI is logged in", lambda: not operator.run(f"kargo login {operator.url} --admin --password a-word"))
    number = 1

    def does(what, heading, tool, **words):
        said = operator.run(operator.line(heading, tool, **words))
        check(f"{what}: {tool}", not said, said)

    def waiting():
        """The Promotions of rebuild-web that run, oldest first."""
        return [thing["metadata"]["name"] for thing in factory.promotions("rebuild-web") if thing.get("status", {}).get("phase") == "Running"]

    def unfinished():
        """The Promotions of rebuild-web that run, or wait for those, oldest first."""
        done = {"Succeeded", "Failed", "Errored", "Aborted"}
        return [thing["metadata"]["name"] for thing in factory.promotions("rebuild-web") if thing.get("status", {}).get("phase") not in done]

    def asked_for(promotion):
        """Whether a person made it."""
        return "kargo.akuity.io/create-actor" in api.get("promotions", promotion)["metadata"]["annotations"]

    def moves(waits=True):
        """The base image moves; web is pending, and a Promotion waits, or none has come within 5 s."""
        nonlocal number
        number += 1
        moved = world.move(f"node {number}")
        world.look("warehouses", base)
        within(90, f"the base image moves ({number})", lambda: world.base(base).get("currentDigest") == moved)
        within(60, "its image is pending", lambda: world.status("web") == "pending")
        if waits:
            within(60, "and waits", waiting)
        else:
            within(60, "and its Stage is done", lambda: factory.verification(f"observe-{base}") == "Successful")
            time.sleep(5)

    for tool in ("kubectl", "kargo"):
        asked = len(world.runs("web"))
        moves()
        does("force", "Rebuild now", tool, WAREHOUSE=base)
        # Kargo may have made one of its own in the same second.
        for promotion in itertools.takewhile(lambda promotion: not asked_for(promotion), unfinished()):
            does("and stop what is ahead", "Stop waiting", tool, PROMOTION=promotion)
        within(60, f"{tool}: a run is asked for, a day early", lambda: len(world.runs("web")) == asked + 1)
        inputs = (world.runs("web") or [{"inputs": {"reason": "", "key": ""}}])[-1]["inputs"]
        check(f"{tool}: the run knows who asked", WHO[tool] in inputs["reason"], inputs)
        within(120, f"{tool}: it is proved", lambda: [attempt["key"] for attempt in world.attempts("web")].count(inputs["key"]))
        attempt = (world.attempts("web") or [{}])[-1]
        check(f"{tool}: state knows who asked", WHO[tool] in attempt.get("by", "") and attempt["outcome"] == "fresh", attempt)
        within(60, f"{tool}: what was stopped is aborted, the rest passed", lambda: set(factory.phases("rebuild-web")) == {"Aborted", "Succeeded"})
        holds = api.get("stages", "rebuild-web")["status"].get("autoPromotionHolds")
        check(f"{tool}: auto-promotion is not on hold", not holds, holds)

    # The trap of the runbook: the CLI with a token of Kubernetes.
    moves()
    stopped = waiting()[0]
    login = f"export KARGO_API_ADDRESS={operator.url} KARGO_API_TOKEN={operator.token}\n"
    said = operator.run(login + operator.line("Rebuild now", "kargo", WAREHOUSE=base))
    check("as a user of Kubernetes: kargo", not said, said)
    does("stop what waits", "Stop waiting", "kubectl", PROMOTION=stopped)
    within(60, "of whom Kargo writes down nothing, so it waits as well", lambda: waiting() not in ([], [stopped]))
    # Of two of one Freight both must be forgotten; this is the first.
    does("forget what was stopped", "Forget a promotion", "kubectl", PROMOTION=stopped)

    for tool in ("kubectl", "kargo"):
        stopped = waiting()[0]
        does("stop what waits", "Stop waiting", tool, PROMOTION=stopped)
        within(60, "nobody waits for it", lambda: not waiting())
        does("forget what was stopped", "Forget a promotion", "kubectl", PROMOTION=stopped)
        does("have its Stage look", "Have a Stage look now", tool)
        within(60, f"un-stuck, {tool}: it waits again", waiting)

    # `status` prints the same two lines, in its own words, once the image is late.
    does("stop what waits", "Stop waiting", "kubectl", PROMOTION=waiting()[0])
    within(60, "nobody waits for it", lambda: not waiting())
    said = status(world, program)
    lines = [line.strip() for line in said.split("\n") if line.strip().startswith("kubectl ")]
    check("`status` names the image, and the lines that help", "IF0540" in said and len(lines) == 2, said)
    said = operator.run("\n".join(lines))
    check("they can be typed", not said, said)
    within(60, "and help", waiting)

    # Held: what waits ends without a run. Approved: the line that forces.
    asked = len(world.runs("web"))
    host.commit(PLATFORM, "hold web", {"factory/images.yaml": world.enrol("web", rebuildDelay="24h", autoRebuild=False)})
    does("look", "Have a Warehouse look now", "kargo", WAREHOUSE="factory")
    within(90, "held: its state says so", lambda: (world.image("web").get("enrollment") or {}).get("autoRebuild") is False)
    factory.sync()
    within(60, "held: what waited has ended", lambda: not waiting())
    count = len(factory.promotions("rebuild-web"))
    moves(waits=False)
    check("held: nothing is promoted", len(factory.promotions("rebuild-web")) == count, factory.phases("rebuild-web"))
    check("held: no run is asked for", len(world.runs("web")) == asked, world.runs("web"))
    does("approve", "Rebuild now", "kargo", WAREHOUSE=base)
    within(60, "approved: a run is asked for", lambda: len(world.runs("web")) == asked + 1)
    within(120, "approved: it is proved", lambda: world.status("web") == "monitoring")

    # All are held.
    world.settings["paused"] = True
    host.commit(PLATFORM, "hold all", {"factory/factory.yaml": yaml.safe_dump(world.settings), "factory/images.yaml": world.enrol("web", rebuildDelay="1s")})
    does("look", "Have a Warehouse look now", "kubectl", WAREHOUSE="factory")
    within(90, "all held: web by itself is not", lambda: (world.image("web").get("enrollment") or {}).get("autoRebuild") is True)
    factory.sync()
    count = len(factory.promotions("rebuild-web"))
    moves(waits=False)
    check("all held: nothing is promoted", len(factory.promotions("rebuild-web")) == count, factory.phases("rebuild-web"))
    check("all held: no run is asked for", len(world.runs("web")) == asked + 1, world.runs("web"))

    # A Job that failed.
    for tool in ("kubectl", "kargo"):
        world.node.before = lambda arguments: 1 if arguments[0] == "observe" else None
        number += 1
        moved = world.move(f"node {number}")
        does("look", "Have a Warehouse look now", tool, WAREHOUSE=base)
        within(60, "a Job fails", lambda: factory.verification(f"observe-{base}") == "Failed")
        world.node.before = lambda arguments: None
        does("run it again", "Run a failed Job again", tool, STAGE=f"observe-{base}")
        within(60, f"{tool}: it is done", lambda: world.base(base).get("currentDigest") == moved)
    cluster.stop("kargo-api")
    world.node.stop()


def status(world, program):
    """What `image-factory status` says of the branch's tip, when everything is long due."""
    with world.factory.checkout() as folder:
        done = subprocess.run([program, "status", folder, "--now", "2100-01-01T00:00:00Z"], capture_output=True, text=True)
    return done.stdout + done.stderr
