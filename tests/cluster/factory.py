"""A factory in a git repository: enrolled, rendered, applied as Argo CD would."""
import base64
import contextlib
import json
import os
import subprocess
import tempfile
import uuid

import yaml

from host import TOKEN
from parts import HERE, Refused, wait

ROOT = os.path.dirname(os.path.dirname(HERE))
PROJECT = "image-factory"
PLATFORM = "acme/platform"


class Factory:
    def __init__(self, cluster, host, program):
        self.cluster, self.host, self.program = cluster, host, program

    def settings(self):
        return yaml.safe_dump({
            "pipelines": True, "project": PROJECT, "pollInterval": "10s",
            "git": {"url": f"{self.host.url}/git/{PLATFORM}.git", "branch": "main", "path": "factory"},
            "providers": {"github": {"url": f"{self.host.url}/git", "api": self.host.url}, "gitlab": {"url": self.host.url}}})

    def install(self, patches=None):
        """What is static: kustomize/, with the Secrets of this test in place of the examples."""
        folder = tempfile.mkdtemp(dir=self.cluster.work)
        relative = os.path.relpath(f"{ROOT}/kustomize/base", os.path.realpath(folder))
        with open(f"{folder}/kustomization.yaml", "w") as file:
            yaml.safe_dump({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
                            "resources": [relative], "patches": patches or []}, file)
        self.cluster.kubectl("apply", "--server-side", "-f", "-", text=self.cluster.kubectl("kustomize", folder))
        wait(30, "the namespace", lambda: self.cluster.api.get("namespaces", PROJECT))
        host = self.host.url.removeprefix("http://")
        self.secret("ghcr-credentials", "image", {"token": TOKEN, "repoURL": "ghcr.io/none", "username": "none", "password": "none"})
        self.secret("gitlab-token", "generic", {"token": TOKEN})
        self.secret("http-credentials", "generic", {"authorization": f"Bearer {TOKEN}"})
        self.secret("git-credentials", "git", {"repoURL": f"http://{host}/none", "username": "none", "password": "none",
                                               "credentials": f"http://someone:a-word@{host}\n"})

    def secret(self, name, kind, data):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "data": encoded,
                "metadata": {"name": name, "namespace": PROJECT, "labels": {"kargo.akuity.io/cred-type": kind}}}
        self.cluster.api.ask("POST", self.cluster.api.path("secrets"), body)

    @contextlib.contextmanager
    def checkout(self):
        """The factory's folder at the branch's tip."""
        with tempfile.TemporaryDirectory(dir=self.cluster.work) as folder:
            archive = subprocess.run(["git", "-C", f"{self.host.folder}/git/{PLATFORM}.git", "archive", "main", "factory"],
                                     check=True, capture_output=True).stdout
            subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
            yield f"{folder}/factory"

    def render(self):
        """The objects that the branch's tip renders to."""
        with self.checkout() as folder:
            done = subprocess.run([self.program, "generate", "--output", "json", folder], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr)
            return [json.loads(line) for line in done.stdout.splitlines()]

    def sync(self):
        """Applies what is rendered, and prunes what is not any more."""
        api, wanted = self.cluster.api, self.render()
        for thing in wanted:
            path = api.path(thing["kind"].lower() + "s", name=thing["metadata"]["name"]) + "?fieldManager=sync&force=true"
            api.ask("PATCH", path, thing, "application/apply-patch+yaml")
        names = {(thing["kind"], thing["metadata"]["name"]) for thing in wanted}
        pruned = []
        for kind in ("Stage", "Warehouse"):
            for thing in api.list(kind.lower() + "s", selector="app.kubernetes.io/managed-by=image-factory"):
                name = thing["metadata"]["name"]
                if (kind, name) not in names:
                    api.ask("DELETE", api.path(kind.lower() + "s", name=name))
                    pruned.append(f"{kind} {name}")
        return wanted, pruned

    def state(self, path, folder="factory"):
        """A file of state at the tip, or None."""
        text = self.host.git(PLATFORM, "show", f"main:{folder}/state/{path}", check=False)
        return yaml.safe_load(text) if text else None

    def promotions(self, stage):
        """A Stage's Promotions, oldest first."""
        found = [thing for thing in self.cluster.api.list("promotions") if thing["spec"]["stage"] == stage]
        return sorted(found, key=lambda thing: thing["metadata"]["name"])

    def phases(self, stage):
        return [thing.get("status", {}).get("phase", "Pending") for thing in self.promotions(stage)]

    def verification(self, stage):
        """How a Stage's newest verification stands."""
        history = self.cluster.api.get("stages", stage).get("status", {}).get("freightHistory") or [{}]
        verified = history[0].get("verificationHistory") or [{}]
        return verified[0].get("phase")

    def complaints(self, kinds=("stages", "warehouses")):
        """What Stages and Warehouses say is wrong with them; that one waits, or has no Freight, is not."""
        found = []
        for kind in kinds:
            for thing in self.cluster.api.list(kind):
                for condition in thing.get("status", {}).get("conditions", []):
                    message = condition.get("message", "")
                    if condition["status"] == "False" and any(word in message for word in ("failed to", "not found", "error", "missing value")):
                        found.append(f"{kind} {thing['metadata']['name']}: {message}")
        return found

    def promote(self, stage, freight):
        """A Promotion by a person: Kargo writes down who made it."""
        body = {"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Promotion",
                "metadata": {"name": f"{stage}.{uuid.uuid4().hex[:12]}", "namespace": PROJECT},
                "spec": {"stage": stage, "freight": freight}}
        try:
            return self.cluster.api.ask("POST", self.cluster.api.path("promotions"), body)
        except Refused as error:
            raise RuntimeError(error.message) from None
