"""The PromotionTasks, each way that a rebuild can go, side by side: an image a case.

Only the tasks are tried here. State is written by the test, and the Jobs end at once, so nobody
records what came of it; the loop with its Jobs is loop.py's.
"""
from datetime import datetime, timedelta, timezone

import yaml

from factory import PLATFORM, Factory
from host import Host
from images import Registry
from node import Node

BASE = "node-22"


def at(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pending(image, due, **more):
    return {"status": "pending", "pendingRebuild": True, "key": f"{image}-17", "driftSince": at(-1000), "eligibleAt": at(due),
            "deadline": at(due + 100000), "waitingFor": [],
            "reasons": [{"base": BASE, "from": "sha256:" + "a" * 64, "to": "sha256:" + "b" * 64, "since": at(-1000)}], **more}


def cases():
    """Each image and what its state says, from now on."""
    return {
        "due": pending("due", -10),
        "later": pending("later", 120),
        "overdue": pending("overdue", -200000, waitingFor=["parent"], deadline=at(-10)),
        "waiting": pending("waiting", -10, waitingFor=["parent"]),
        "quiet": {"status": "monitoring", "pendingRebuild": False},
        "held": pending("held", -10, status="held", cause="it was stale"),
        "unknown": None,
        "off": pending("off", -10),
        "bare": pending("bare", -10),
        "broken": pending("broken", -10),
        "lost": pending("lost", -10),
        "failing": pending("failing", -10),
        "by-hand": {"status": "monitoring", "pendingRebuild": False},
        "gitlab": pending("gitlab", -10),
        "denied": pending("denied", -10),
        "http": pending("http", -10),
    }


LISTED = ("key", "image", "reason", "bases")


def rebuild(cluster, checks, program):
    host = Host(f"{cluster.work}/rebuild")
    node = Node(cluster.api, program, f"{cluster.work}/rebuild-node")
    node.before = lambda arguments: 0
    factory, registry = Factory(cluster, host, program), Registry(cluster.registry)
    # Where everything else asks; and a shorter time for the API to list a run.
    url = {"target": {"kind": "PromotionTask", "name": "rebuild-http"},
           "patch": yaml.safe_dump([{"op": "replace", "path": "/spec/vars/0", "value": {"name": "url", "value": f"{host.url}/hook"}}])}
    factory.install([url])
    wanted = cases()
    enrolled, files = [], {}
    for image in wanted:
        source = {"provider": "github", "repo": "acme/shop", "branch": "main", "dockerfile": "Dockerfile", "workflow": f"{image}.yml"}
        if image in ("gitlab", "denied"):
            source = {"provider": "gitlab", "repo": "acme/denied" if image == "denied" else "acme/group/shop", "branch": "main"}
        if image == "http":
            source = {"provider": "git", "repo": f"{host.url}/git/acme/shop.git"}
        if image == "due":
            source["inputs"] = {"flavour": "plain"}
        enrolled.append({"name": image, "registry": cluster.registry, "repository": f"apps/{image}", "source": source, "autoRebuild": image != "by-hand"})
        state = {"name": image, "enrolledAt": at(-5000), "discoveryStatus": "success", "baseImages": [BASE],
                 "enrollment": {"autoRebuild": image != "off"}}
        if wanted[image]:
            state["rebuildState"] = wanted[image]
        files[f"factory/state/images/{image}.yaml"] = yaml.safe_dump(state)
        host.workflows[("acme/shop", f"{image}.yml")] = {
            "inputs": [] if image == "bare" else [*LISTED, "flavour"], "build": lambda run: "failure" if run["workflow"] == "failing.yml" else "success"}
    host.broken.update({"broken.yml": "refused before", "lost.yml": "lost after"})
    files[f"factory/state/base-images/{BASE}.yaml"] = yaml.safe_dump({
        "name": BASE, "fullImage": f"{cluster.registry}/base/node:22", "registry": cluster.registry, "repository": "base/node", "tag": "22",
        "repoURL": f"{cluster.registry}/base/node", "allowTags": "^22$", "dependentImages": list(wanted)})
    files["factory/factory.yaml"], files["factory/images.yaml"] = factory.settings(), yaml.safe_dump(enrolled)
    host.repository("acme/shop", {"Dockerfile": f"FROM {cluster.registry}/base/node:22\n"})
    host.repository("acme/group/shop", {"Dockerfile": f"FROM {cluster.registry}/base/node:22\n"})
    registry.push("base/node", "22", "one")
    host.repository(PLATFORM, files)
    rendered, _ = factory.sync()
    checks.check(f"{len(rendered)} objects are rendered and applied", len(rendered) > 70, len(rendered))

    def runs(image):
        return [run for run in host.runs if run["workflow"] == f"{image}.yml"]

    checks.within(60, "the base image is observed", lambda: factory.verification(f"observe-{BASE}") == "Successful")
    checks.within(60, "the Stage that reconciles verified", lambda: factory.verification("reconcile") == "Successful")
    checks.within(60, "the source was looked at", lambda: node.ran("analyze", f"--source-repo={host.url}/git/acme/shop.git"))
    checks.within(60, "due: a run was asked for", lambda: runs("due"))
    run = (runs("due") or [{"inputs": {}}])[0]
    checks.check("due: the run knows its key and why", run["inputs"].get("key") == "due-17" and run["inputs"].get("image") == "due"
                 and "node-22 moved from" in run["inputs"].get("reason", "") and '"to": "sha256:bbb' in run["inputs"].get("bases", "")
                 and run["inputs"].get("flavour") == "plain", run)
    checks.within(90, "due: it was proved", lambda: node.ran("prove", "--image=due"))
    checks.within(60, "due: the Promotion succeeded", lambda: "Succeeded" in factory.phases("rebuild-due"))
    checks.within(60, "overdue: its deadline passes what it waited for", lambda: runs("overdue"))
    for image in ("quiet", "held", "off"):
        checks.within(60, f"{image}: the Promotion passes", lambda: "Succeeded" in factory.phases(f"rebuild-{image}"))
    checks.check("quiet, held, off: nothing was asked for", not runs("quiet") + runs("held") + runs("off"))
    for image in ("later", "waiting", "unknown"):
        promotion = (factory.promotions(f"rebuild-{image}") or [{}])[0]
        checks.check(f"{image}: it waits", promotion.get("status", {}).get("phase") == "Running" and not runs(image), promotion.get("status"))
    shown = (factory.promotions("rebuild-waiting") or [{}])[0].get("status", {}).get("state", {}).get("rebuild::state", {})
    checks.check("waiting: the Promotion shows what it waits for", shown.get("waitingFor") == "parent" and shown.get("eligibleAt"), shown)
    state = factory.state("images/waiting.yaml")
    state["rebuildState"]["waitingFor"] = []
    host.commit(PLATFORM, "the parent is done", {"factory/state/images/waiting.yaml": yaml.safe_dump(state)})
    checks.within(60, "waiting: it goes once the parent is done", lambda: runs("waiting"))
    checks.within(180, "later: it goes once it is due", lambda: runs("later"))
    if runs("later"):
        due = wanted["later"]["eligibleAt"]
        checks.check("later: not before", runs("later")[0]["created_at"] >= due, runs("later")[0]["created_at"])
    checks.within(60, "bare: a workflow without inputs runs, without a key", lambda: runs("bare") and not runs("bare")[0]["inputs"])
    checks.within(60, "failing: it was proved", lambda: node.ran("prove", "--image=failing"))
    checks.within(60, "lost: the run is found by its key", lambda: "Succeeded" in factory.phases("rebuild-lost"))
    checks.within(60, "gitlab: a pipeline was asked for", lambda: host.pipelines)
    variables = host.pipelines[0]["variables"] if host.pipelines else {}
    checks.check("gitlab: it knows its key and why", variables.get("IMAGE_FACTORY_KEY") == "gitlab-17" and variables.get("IMAGE_FACTORY_IMAGE") == "gitlab", variables)
    checks.within(60, "gitlab: it was proved", lambda: node.ran("prove", "--image=gitlab"))
    checks.within(60, "http: it was posted", lambda: host.hooks)
    checks.check("http: it knows its key", host.hooks and host.hooks[0]["key"] == "http-17" and host.hooks[0]["bases"][0]["base"] == BASE, host.hooks)

    def denied():
        return [thing["status"].get("message", "") for thing in factory.promotions("rebuild-denied") if thing.get("status", {}).get("phase") == "Failed"]

    message = checks.within(60, "denied: a wrong token fails at once", denied)
    checks.check("denied: and says so", message and "401" in message[0], message)
    checks.check("by-hand: nothing is promoted by itself", not factory.promotions("rebuild-by-hand"))
    freight = next(thing for thing in cluster.api.list("freights") if thing["origin"]["name"] == BASE)
    made = factory.promote("rebuild-by-hand", freight["metadata"]["name"])
    checks.within(60, "by-hand: a person's Promotion asks at once", lambda: runs("by-hand"))
    if runs("by-hand"):
        inputs = runs("by-hand")[0]["inputs"]
        checks.check("by-hand: under the Promotion's name, and says who", inputs["key"] == made["metadata"]["name"] and "admin" in inputs["reason"], inputs)
    checks.within(240, "broken: an answer of 500 ends as missing", lambda: "Succeeded" in factory.phases("rebuild-broken"))
    # A second Promotion, of the sweep's Freight, found the runs of the first.
    for image in ("due", "overdue", "waiting", "later", "lost", "failing"):
        checks.within(120, f"{image}: all its Promotions ended", lambda: len(factory.phases(f"rebuild-{image}")) > 1 and set(factory.phases(f"rebuild-{image}")) == {"Succeeded"})
        checks.check(f"{image}: one run for its key", len(runs(image)) == 1, len(runs(image)))
    # Warehouses do: most of these images were never published.
    complaints = factory.complaints(["stages"])
    checks.check("no Stage complains", not complaints, complaints)
    node.stop()
