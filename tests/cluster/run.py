#!/usr/bin/env python3
"""The loop on a real Kubernetes API, a real Kargo and a real registry: `tests/cluster/run.sh`.

    run.py objects     the table of good and bad objects, asked of the real API server and webhooks, and
                       every object of the golden cases
    run.py walk        a new user's way to the first observed base image, with Argo CD
    run.py rebuild     the PromotionTasks, each way that a rebuild can go
    run.py loop        the loop, from the first commit on
    run.py runbook     each line of the runbook
    run.py crash       the controller killed at each step of a rebuild
    run.py             all of these
    run.py measure     a table of what it costs

Everything is on loopback, on free ports, in a temporary folder that goes away at the end; with
CLUSTER_KEEP=1 it stays, for its logs. CLUSTER_PATIENCE=3 waits three times as long for everything. Prints one line a check, and ends with 1 where one failed.
"""
import os
import shutil
import signal
import sys
import tempfile
import time

import yaml

from crash import crash
from loop import loop
from measure import measure
from parts import Cluster, Refused, wait
from rebuild import rebuild
from runbook import runbook
from walk import walk

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROJECT = "image-factory"


class Checks:
    def __init__(self):
        self.passed = self.failed = 0
        self.begun = time.monotonic()

    def check(self, what, holds, found=""):
        self.passed, self.failed = self.passed + bool(holds), self.failed + (not holds)
        print(f"{time.monotonic() - self.begun:7.1f} s  {'ok    ' if holds else 'FAILED'} {what}{'' if holds else f': {found}'}", flush=True)
        return holds

    def within(self, seconds, what, ready):
        """Waits until something holds, and gives it; a check that fails where it does not."""
        begun = time.monotonic()
        try:
            found = wait(seconds, what, ready)
        except TimeoutError as error:
            self.check(what, False, error)
            return None
        self.check(f"{what} ({time.monotonic() - begun:.1f} s)", True)
        return found


def objects(cluster, checks, _program):
    """What the real ones make of each object of objects.yaml and of the golden cases, without making it."""
    project = {"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Project", "metadata": {"name": PROJECT}}
    try:
        cluster.api.ask("POST", cluster.api.path("projects"), project)
    except Refused as error:
        if error.code != 409:
            raise
    wait(30, "the Project", lambda: cluster.api.get("namespaces", PROJECT))
    with open(f"{HERE}/objects.yaml") as file:
        table = list(yaml.safe_load_all(file))
    for entry in table:
        thing = entry["object"]
        path = cluster.api.path(thing["kind"].lower() + "s") + "?dryRun=All&fieldValidation=Strict"
        try:
            cluster.api.ask("POST", path, thing)
            found, why = "takes", ""
        except Refused as error:
            found, why = "refuses", error.message
        checks.check(f"Kargo {entry['kargo']} {entry['shows']}", found == entry["kargo"], f"it {found} it. {why}")
    drift(cluster, checks)


def drift(cluster, checks):
    """Every object of every golden case: taken, and given back as it was sent, so that Argo CD sees no
    difference. What the API adds beside our keys at the top of a map (finalizers, a status) is none."""
    counted = 0
    for case in sorted(os.listdir(f"{ROOT}/tests/generate")):
        file = f"{ROOT}/tests/generate/{case}/expected/manifests.yaml"
        if case.startswith("kargo-") or not os.path.exists(file):
            continue
        problems = []
        with open(file) as text:
            for thing in filter(None, yaml.safe_load_all(text)):
                thing["metadata"]["namespace"] = PROJECT
                path = cluster.api.path(thing["kind"].lower() + "s") + "?dryRun=All&fieldValidation=Strict"
                try:
                    answer = cluster.api.ask("POST", path, thing)
                except Refused as error:
                    problems.append(f"{thing['kind']} {thing['metadata']['name']}: {error.message}")
                    continue
                counted += 1
                if answer["spec"] != thing["spec"]:
                    problems.append(f"{thing['kind']} {thing['metadata']['name']}: {answer['spec']}")
                labels = {key: value for key, value in answer["metadata"]["labels"].items() if key != "kargo.akuity.io/shard"}
                if labels != thing["metadata"]["labels"]:
                    problems.append(f"{thing['kind']} {thing['metadata']['name']}: {labels}")
        checks.check(f"no drift in {case}", not problems, "; ".join(problems[:3]))
    checks.check(f"{counted} objects were taken", counted > 100)
    built = cluster.kubectl("kustomize", f"{ROOT}/tests/kustomize/everything")
    for thing in yaml.safe_load_all(built):
        if thing["kind"] in ("Warehouse", "ProjectConfig", "PromotionTask", "AnalysisTemplate"):
            path = cluster.api.path(thing["kind"].lower() + "s") + "?dryRun=All&fieldValidation=Strict"
            try:
                answer = cluster.api.ask("POST", path, thing)
                checks.check(f"no drift in {thing['kind']} {thing['metadata']['name']}", answer["spec"] == thing["spec"], answer["spec"])
            except Refused as error:
                checks.check(f"{thing['kind']} {thing['metadata']['name']} is taken", False, error.message)


def main():
    parts = {"objects": objects, "walk": walk, "rebuild": rebuild, "loop": loop, "runbook": runbook, "crash": crash, "measure": measure}
    wanted = sys.argv[1:] or [part for part in parts if part != "measure"]
    unknown = set(wanted) - set(parts)
    if unknown:
        sys.exit(f"there is no part {', '.join(sorted(unknown))}: {', '.join(parts)}")
    home = os.environ.get("CLUSTER_HOME", os.path.expanduser("~/.cache/image-factory-cluster"))
    work = tempfile.mkdtemp(prefix="image-factory-cluster-")
    checks, cluster = Checks(), Cluster(home, work)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        cluster.up()
        print(f"{time.monotonic() - checks.begun:7.1f} s  the cluster is up; logs in {cluster.logs}", flush=True)
        program = os.environ.get("IMAGE_FACTORY") or f"{ROOT}/target/debug/image-factory"
        for name in wanted:
            print(f"== {name}", flush=True)
            cluster.empty()
            parts[name](cluster, checks, program)
            ended = [part for part, process in cluster.running.items() if process.poll() is not None]
            checks.check("every part of the cluster still runs", not ended, ended)
    finally:
        cluster.down()
        if not os.environ.get("CLUSTER_KEEP"):
            shutil.rmtree(work, ignore_errors=True)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed or not checks.passed else 0


if __name__ == "__main__":
    sys.exit(main())
