"""A new user's way from a cluster with Argo CD and Kargo to the first observed base image: the files and
commands are those of README.md and kustomize/README.md, read from there. Argo CD's controller, repo-server
and cmp-server are the real ones; they are processes with what their Deployments would give them.

Only what those texts have to leave open is filled in: acme's repositories are this machine's, the image is
built on one in the registry here, and factory.yaml says where git and the registry are. Pods that run the
sidecar's image and the Jobs' are processes of the program that was built here.
"""
import os
import re
import shutil
import signal
import subprocess
import textwrap
import time

import yaml

from factory import PLATFORM, PROJECT, ROOT
from host import TOKEN
from loop import World
from parts import free_port

INSTALL = "https://raw.githubusercontent.com/argoproj/argo-cd/v3.5.3/manifests/install.yaml"
APPLICATIONS = ["image-factory-loop", "image-factory"]
PUSHER = "image-factory:a-token-to-push"


class ArgoCD:
    """What the manifests in the API server install, without a node to run it."""

    def __init__(self, cluster, program):
        self.cluster, self.api = cluster, cluster.api
        self.folder = f"{cluster.work}/argocd"
        for name in ("bin", "config", "plugins", "work", "tls", "ssh", "tmp"):
            os.makedirs(f"{self.folder}/{name}")
        for name, target in {"kustomize": f"{cluster.bin}/kustomize", "git-verify-wrapper.sh": f"{cluster.bin}/git-verify-wrapper.sh",
                             "image-factory": os.path.abspath(program),
                             **{f"argocd-{part}": f"{cluster.bin}/argocd" for part in ("application-controller", "repo-server", "cmp-server")}}.items():
            os.symlink(target, f"{self.folder}/bin/{name}")
        shutil.copy(f"{ROOT}/cmp-sidecar/plugin.yaml", f"{self.folder}/config/")
        self.environment = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "TMPDIR": f"{self.folder}/tmp", "HOME": self.folder,
                            "ARGOCD_PLUGINSOCKFILEPATH": f"{self.folder}/plugins", "ARGOCD_CMP_WORKDIR": f"{self.folder}/work"}

    def settings(self, resource, name):
        """What the environment of its first container takes from ConfigMaps."""
        found = {}
        for pair in self.api.get(resource, name, "argocd")["spec"]["template"]["spec"]["containers"][0]["env"]:
            key = pair.get("valueFrom", {}).get("configMapKeyRef")
            value = key and self.api.get("configmaps", key["name"], "argocd").get("data", {}).get(key["key"])
            if value is not None:
                found[pair["name"]] = value
        return found

    def sidecar(self):
        containers = self.api.get("deployments", "argocd-repo-server", "argocd")["spec"]["template"]["spec"]["containers"]
        return next((container for container in containers if container["name"] == "image-factory"), None)

    def start(self):
        redis, server = free_port(), free_port()
        self.cluster.start("redis", ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                                     "--dir", self.folder], {})
        self.cluster.start("cmp-server", [os.path.basename(self.sidecar()["command"][0]), "--config-dir-path", f"{self.folder}/config"], self.environment)
        self.cluster.start("repo-server", [
            "argocd-repo-server", "--address", "127.0.0.1", "--port", str(server), "--metrics-address", "127.0.0.1", "--metrics-port", str(free_port()),
            "--redis", f"127.0.0.1:{redis}", "--disable-tls", "--client-ca-path", ""], {
            **self.settings("deployments", "argocd-repo-server"), **self.environment, "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_ASK_PASS_SOCK": f"{self.folder}/ask.sock", "ARGOCD_TLS_DATA_PATH": f"{self.folder}/tls", "ARGOCD_SSH_DATA_PATH": f"{self.folder}/ssh"})
        # `https://kubernetes.default.svc` is the API server of this kubeconfig.
        self.cluster.start("application-controller", [
            "argocd-application-controller", "--namespace", "argocd", "--kubeconfig", f"{self.cluster.pki}/argocd.kubeconfig",
            "--repo-server", f"127.0.0.1:{server}", "--repo-server-plaintext", "--redis", f"127.0.0.1:{redis}", "--metrics-port", str(free_port())], {
            **self.settings("statefulsets", "argocd-application-controller"), **self.environment,
            "ARGOCD_FAKE_IN_CLUSTER": "true", "KUBECONFIG": f"{self.cluster.pki}/argocd.kubeconfig"})

    def is_ready(self):
        """Whether the sidecar's own probe says so."""
        probe = self.sidecar()["startupProbe"]["exec"]["command"]
        return subprocess.run(probe, env=self.environment, capture_output=True).returncode == 0

    def application(self, name):
        return self.api.get("applications", name, "argocd").get("status", {})

    def stands(self, name):
        """`Synced Healthy`, or what is wrong."""
        status = self.application(name)
        said = [condition["message"] for condition in status.get("conditions", [])]
        return " ".join([status.get("sync", {}).get("status", "?"), status.get("health", {}).get("status", "?"), *said])

    def has_applied(self, name, commit):
        """Whether it compared with that commit, and no operation is under way."""
        status = self.application(name)
        return status["sync"].get("revision") == commit and "finishedAt" in status["operationState"]

    def stop(self):
        for name in ("application-controller", "repo-server", "cmp-server", "redis"):
            self.cluster.stop(name, signal.SIGKILL)  # cmp-server lives on after any other


class Reader:
    """Somebody who does what the texts say, with the names of this machine for those of the examples."""

    def __init__(self, world):
        self.cluster, self.url = world.cluster, world.host.url
        address = self.url.removeprefix("http://")
        self.home = f"{world.cluster.work}/reader"
        os.makedirs(self.home)
        self.names = [
            ("https://image-factory:$GIT_TOKEN@github.com", f"http://image-factory:$GIT_TOKEN@{address}"),
            (r"^https://github\.com/", "^" + re.escape(self.url)), (r"^ghcr\.io/", "^" + re.escape(self.cluster.registry)),
            ("https://github.com/YOURS/platform.git", f"{self.url}/git/{PLATFORM}.git"),
            ("https://github.com/acme/image-factory//", f"{self.url}/git/acme/image-factory.git//"),
            ("ghcr.io", self.cluster.registry),
        ]

    def block(self, file, after, begins):
        """The block of a text that begins so, below a heading, with its names changed."""
        with open(f"{ROOT}/{file}") as text:
            below = text.read().split(f"\n{after}\n", 1)[1]
        blocks = re.findall(r"^( *)```\w+\n(.*?)^\1```$", below, re.M | re.S)
        found = next(textwrap.dedent(block) for _, block in blocks if block.lstrip().startswith(begins))
        for theirs, ours in self.names:
            found = found.replace(theirs, ours)
        return found

    def run(self, command, folder=None):
        """Runs it; what it said where it failed, else nothing."""
        environment = {"PATH": os.environ["PATH"], "HOME": self.home, "KUBECONFIG": f"{self.cluster.pki}/admin.kubeconfig",
                       "GIT_TOKEN": PUSHER.split(":")[1], "GHCR_TOKEN": "none"}
        done = subprocess.run(["bash", "-ec", f"set -o pipefail\n{command}"], capture_output=True, text=True, cwd=folder or self.home, env=environment)
        return f"{command}{done.stdout}{done.stderr}" if done.returncode else ""


def walk(cluster, checks, program):
    missing = [what for what, path in {"Argo CD": f"{cluster.bin}/argocd", "kustomize": f"{cluster.bin}/kustomize"}.items() if not os.path.exists(path)]
    missing += [] if shutil.which("redis-server") else ["redis-server"]
    if missing:
        print(f"skipped: there is no {', no '.join(missing)}", flush=True)
        return
    world = World(cluster, checks, program)
    host, factory, api, within, check = world.host, world.factory, cluster.api, checks.within, checks.check
    argocd, reader = ArgoCD(cluster, program), Reader(world)

    def does(what, command, folder=None):
        said = reader.run(command, folder)
        return check(what, not said, said)

    # What is there before: Argo CD, this project's repository, a base image, and a source that builds on it.
    api.ask("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})
    install = f"{cluster.home}/argocd/install.yaml"
    cluster.kubectl("apply", "--server-side", "--namespace", "argocd", "-f", install)
    ours = {}
    for folder in ("kustomize", "cmp-sidecar"):
        for place, _, files in os.walk(f"{ROOT}/{folder}"):
            for file in files:
                with open(f"{place}/{file}") as text:
                    ours[os.path.relpath(f"{place}/{file}", ROOT)] = text.read()
    host.repository("acme/image-factory", ours)
    world.move("node one")
    world.registry.push("acme/web", "1.0.1", "web one", base=world.bases["base/node"][0])
    host.repository("acme/web", {"Dockerfile": world.dockerfile()})

    # The sidecar. Argo CD asks git once in three minutes, and here more often.
    text = reader.block("README.md", "## In Argo CD", "namespace: argocd")
    check("README.md installs the Argo CD that is built here", INSTALL in text, text)
    folder = f"{reader.home}/argocd"
    os.makedirs(folder)
    shutil.copy(install, folder)
    patch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": {"timeout.reconciliation": "5s", "timeout.reconciliation.jitter": "0s"}}
    with open(f"{folder}/kustomization.yaml", "w") as file:
        file.write(text.replace(INSTALL, "install.yaml") + f"patches:\n- patch: '{yaml.safe_dump(patch, default_flow_style=True, width=1000).strip()}'\n")
    does("the sidecar is added", "kubectl apply --server-side --force-conflicts -k .", folder)
    sidecar = argocd.sidecar() or {}
    check("the API server has it beside the stock repo-server", sidecar.get("image") == "registry.example.com/image-factory:0.1.0", sidecar)
    argocd.start()
    within(60, "its probe says that it is ready", argocd.is_ready)

    # The repository.
    settings = yaml.safe_load(reader.block("kustomize/README.md", "## Install", "pipelines: true"))
    settings["git"]["url"] = f"{host.url}/git/{PLATFORM}.git"
    settings |= {"providers": {"github": {"url": f"{host.url}/git", "api": host.url}}, "registries": {cluster.registry: {"plainHTTP": True}}, "pollInterval": "10s", "intervals": {"factory": "10s"}}
    begun = reader.block("README.md", "## Enrol your first image", "mkdir -p factory web")
    images = re.search(r"<<'EOF'\n(.*?)^EOF$", begun, re.M | re.S)[1]
    host.repository(PLATFORM, {"image-factory/images.yaml": images, "image-factory/factory.yaml": yaml.safe_dump(settings),
                               "loop/kustomization.yaml": reader.block("kustomize/README.md", "## Install", "resources:")})
    host.pusher = PUSHER

    # The Applications, then the Secrets.
    does("the Applications are applied", reader.block("README.md", "## In Argo CD", "kubectl kustomize"))
    for application in APPLICATIONS:
        within(90, f"{application} is Synced", lambda: argocd.application(application)["sync"]["status"] == "Synced")
    check("without the Secrets nothing is pushed", host.git(PLATFORM, "rev-list", "--count", "main") == "1", host.git(PLATFORM, "log", "--oneline", "main"))
    does("the Secrets are made", reader.block("kustomize/README.md", "## Install", "kubectl -n image-factory create secret"))
    does("all look now", reader.block("kustomize/README.md", "## Install", "kubectl -n image-factory annotate"))

    # From here on nobody does anything.
    within(120, "the image is in state, pushed with the Secret", lambda: factory.state("images/web.yaml", "image-factory"))
    name = ((factory.state("images/web.yaml", "image-factory") or {}).get("baseImages") or ["?"])[0]
    discover = api.list("stages", selector="image-factory.dev/role=discover")[0]["metadata"]["name"]
    within(120, "the Freight of its source is verified: its Dockerfile was looked at", lambda: factory.verification(discover) == "Successful")
    within(120, "Argo CD has rendered the commit: the base image's Warehouse is there", lambda: api.get("warehouses", name))
    within(120, "its observe Stage is verified", lambda: factory.verification(f"observe-{name}") == "Successful")
    digest = within(60, "state has the digest", lambda: factory.state(f"base-images/{name}.yaml", "image-factory").get("currentDigest"))
    check("it is the registry's", digest == world.bases["base/node"][0], digest)
    for application in APPLICATIONS:
        within(120, f"{application} is Synced and Healthy", lambda: argocd.stands(application) == "Synced Healthy")
    does("what there is to see can be typed", "\n".join(line for line in reader.block("kustomize/README.md", "## Install", "kubectl -n argocd get applications").splitlines() if line.startswith("kubectl")))

    # It leaves, and another one comes: an empty images.yaml would be refused.
    world.move("python one", "base/python")
    host.commit(PLATFORM, "web leaves, python comes", {"image-factory/images.yaml": yaml.safe_dump([
        {"name": "python", "registry": cluster.registry, "repository": "base/python", "allowTags": "^22$"}])})
    within(60, "what left is archived", lambda: factory.state("_archive/images/web.yaml", "image-factory"))
    within(60, "Argo CD has applied what came", lambda: api.get("warehouses", "python"))

    def left():
        return [thing["metadata"]["name"] for kind in ("stages", "warehouses") for thing in api.list(kind)
                if thing["metadata"]["name"].endswith(("web", name)) or "acme-web" in thing["metadata"]["name"]]

    within(60, "and pruned what left", lambda: not left())
    within(60, "what came is observed", lambda: factory.verification("observe-python") == "Successful")
    # What the last observation committed is on its way to Argo CD, too.
    for application in APPLICATIONS:
        within(60, f"{application} is Synced and Healthy", lambda: argocd.stands(application) == "Synced Healthy")
        within(60, f"{application} has applied the last commit", lambda: argocd.has_applied(application, host.git(PLATFORM, "rev-parse", "main")))

    def applied():
        return {application: argocd.application(application)["operationState"]["finishedAt"] for application in APPLICATIONS}

    before = applied()
    time.sleep(12)
    check("no drift: Argo CD compares twice, and applies nothing", applied() == before, f"{before}, then {applied()}")
    cluster.kubectl("delete", "--namespace", "argocd", "applications.argoproj.io", "--all")
    argocd.stop()
    world.node.stop()
