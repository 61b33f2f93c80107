"""The parts of a cluster on loopback, all real but the node: etcd, kube-apiserver,
kube-controller-manager, Kargo's controller, webhooks server and management controller, Rollouts'
analysis controller, an OCI registry. Each is a process on a free port, with its log in a file.
"""
import base64
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
# How often longer than on a machine of its own everything may take.
PATIENCE = float(os.environ.get("CLUSTER_PATIENCE", "1"))
NAMESPACES = ["kargo", "kargo-shared-resources", "kargo-system-resources", "kargo-cluster-secrets", "argo-rollouts"]
# Kargo's webhooks know its parts by these names; all may do anything, so Kargo's own RBAC is not tested.
USERS = {
    "admin": "admin",
    "manager": "system:kube-controller-manager",
    "controller": "system:serviceaccount:kargo:kargo-controller",
    "management": "system:serviceaccount:kargo:kargo-management-controller",
    "webhooks": "system:serviceaccount:kargo:kargo-webhooks-server",
    "kargo-api": "system:serviceaccount:kargo:kargo-api",
    "rollouts": "system:serviceaccount:argo-rollouts:argo-rollouts",
    "argocd": "system:serviceaccount:argocd:argocd-application-controller",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(seconds, what, ready):
    """Asks until `ready` gives something true; what it raises counts as not yet."""
    seconds *= PATIENCE
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            found = ready()
            if found:
                return found
        except Exception as error:  # noqa: BLE001
            last = error
        time.sleep(0.2)
    raise TimeoutError(f"{what}: not within {seconds} s" + (f" ({last})" if last else ""))


class Api:
    """The API server, as its administrator."""

    def __init__(self, url, pki):
        self.url = url
        self.tls = ssl.create_default_context(cafile=f"{pki}/ca.crt")
        self.tls.load_cert_chain(f"{pki}/admin.crt", f"{pki}/admin.key")

    def ask(self, method, path, body=None, kind="application/json", timeout=30):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, method=method, data=data, headers={"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                text = json.loads(text)["message"]
            except (ValueError, KeyError):
                pass
            raise Refused(error.code, text) from None

    def is_ready(self):
        with urllib.request.urlopen(f"{self.url}/readyz", context=self.tls, timeout=30) as answer:
            return answer.status == 200

    def watch(self, path, version, seconds=240):
        url = f"{self.url}{path}?watch=1&resourceVersion={version}&timeoutSeconds={seconds}"
        with urllib.request.urlopen(url, context=self.tls, timeout=seconds + 30) as answer:
            for line in answer:
                yield json.loads(line)

    # Of all kinds that the test speaks of.
    GROUPS = {
        "kargo.akuity.io": ["projects", "projectconfigs", "warehouses", "stages", "freights", "promotions", "promotiontasks"],
        "argoproj.io": ["analysisruns", "analysistemplates", "applications"],
        "apps": ["deployments", "statefulsets"],
    }

    def path(self, resource, namespace="image-factory", name=None):
        for group, resources in self.GROUPS.items():
            if resource in resources:
                base = f"/apis/{group}/{'v1' if group == 'apps' else 'v1alpha1'}"
                break
        else:
            base = "/apis/batch/v1" if resource == "jobs" else "/api/v1"
        scope = "" if resource in ("projects", "namespaces") else f"/namespaces/{namespace}"
        return f"{base}{scope}/{resource}" + (f"/{name}" if name else "")

    def get(self, resource, name, namespace="image-factory"):
        return self.ask("GET", self.path(resource, namespace, name))

    def list(self, resource, namespace="image-factory", selector=""):
        return self.ask("GET", self.path(resource, namespace) + (f"?labelSelector={selector}" if selector else ""))["items"]

    def annotate(self, resource, name, key, value):
        patch = {"metadata": {"annotations": {key: value}}}
        return self.ask("PATCH", self.path(resource, name=name), patch, "application/merge-patch+json")

    def refresh(self, resource, name):
        """Has Kargo look at an object now."""
        self.annotate(resource, name, "kargo.akuity.io/refresh", str(time.time_ns()))


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Cluster:
    def __init__(self, home, work):
        self.home, self.work = home, work
        self.bin, self.pki, self.logs, self.data = (f"{d}" for d in (f"{home}/bin", f"{work}/pki", f"{work}/log", f"{work}/data"))
        for folder in (self.pki, self.logs, self.data, f"{work}/tmp"):
            os.makedirs(folder, exist_ok=True)
        names = ["etcd", "peer", "api", "manager", "hooks", "registry", "health", "metrics", "kargo-api"]
        self.port = {name: free_port() for name in names}
        self.registry = f"127.0.0.1:{self.port['registry']}"
        self.url = f"https://127.0.0.1:{self.port['api']}"
        self.running = {}

    def keys(self):
        """One authority, a certificate for the servers and one for each user."""
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], check=True, cwd=self.pki, capture_output=True)

        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", "/CN=cluster-test", "-keyout", "ca.key", "-out", "ca.crt")
        openssl("genrsa", "-out", "accounts.key", "2048")
        openssl("rsa", "-in", "accounts.key", "-pubout", "-out", "accounts.pub")

        def certificate(name, subject, extension):
            with open(f"{self.pki}/{name}.ext", "w") as file:
                file.write(extension)
            openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
                    "-keyout", f"{name}.key", "-out", f"{name}.csr")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                    "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.crt")

        certificate("server", "/CN=server", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        for name, user in USERS.items():
            certificate(name, f"/O=system:masters/CN={user}", "extendedKeyUsage=clientAuth")
            config = {
                "apiVersion": "v1", "kind": "Config", "current-context": "it",
                "clusters": [{"name": "it", "cluster": {"server": self.url, "certificate-authority": f"{self.pki}/ca.crt"}}],
                "users": [{"name": "it", "user": {"client-certificate": f"{self.pki}/{name}.crt", "client-key": f"{self.pki}/{name}.key"}}],
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            }
            with open(f"{self.pki}/{name}.kubeconfig", "w") as file:
                json.dump(config, file)
        serving = f"{self.work}/tmp/webhooks/k8s-webhook-server/serving-certs"
        os.makedirs(serving)
        for name, end in (("tls.crt", "crt"), ("tls.key", "key")):
            with open(f"{self.pki}/server.{end}") as source, open(f"{serving}/{name}", "w") as copy:
                copy.write(source.read())

    def command(self, name):
        port, pki, work = self.port, self.pki, self.work
        local = "http://127.0.0.1:"
        kargo = {"KARGO_NAMESPACE": "kargo", "SHARED_RESOURCES_NAMESPACE": "kargo-shared-resources",
                 "SYSTEM_RESOURCES_NAMESPACE": "kargo-system-resources", "CLUSTER_SECRETS_NAMESPACE": "kargo-cluster-secrets",
                 "LOG_FORMAT": "console", "LOG_LEVEL": os.environ.get("CLUSTER_LOG", "INFO"), "CACHE_BY_TAG_POLICY": "Allow",
                 "KUBECONFIG": f"{pki}/{name}.kubeconfig", "TMPDIR": f"{work}/tmp/{name}"}
        return {
            "etcd": (["etcd", "--name", "it", "--data-dir", f"{self.data}/etcd", "--unsafe-no-fsync",
                      "--listen-client-urls", f"{local}{port['etcd']}", "--advertise-client-urls", f"{local}{port['etcd']}",
                      "--listen-peer-urls", f"{local}{port['peer']}", "--initial-advertise-peer-urls", f"{local}{port['peer']}",
                      "--initial-cluster", f"it={local}{port['peer']}"], {}),
            "apiserver": ([f"{self.bin}/kube-apiserver", f"--etcd-servers={local}{port['etcd']}", "--bind-address=127.0.0.1",
                           "--advertise-address=127.0.0.1", f"--secure-port={port['api']}", f"--tls-cert-file={pki}/server.crt",
                           f"--tls-private-key-file={pki}/server.key", f"--client-ca-file={pki}/ca.crt", "--authorization-mode=RBAC",
                           "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={pki}/accounts.pub",
                           f"--service-account-signing-key-file={pki}/accounts.key", "--service-cluster-ip-range=10.0.0.0/24",
                           "--endpoint-reconciler-type=none"], {}),
            "manager": ([f"{self.bin}/kube-controller-manager", f"--kubeconfig={pki}/manager.kubeconfig", "--leader-elect=false",
                         "--bind-address=127.0.0.1", f"--secure-port={port['manager']}", f"--root-ca-file={pki}/ca.crt",
                         f"--service-account-private-key-file={pki}/accounts.key",
                         "--controllers=job-controller,namespace-controller,garbage-collector-controller,resourcequota-controller,"
                         "serviceaccount-controller,root-ca-certificate-publisher-controller,ttl-after-finished-controller"], {}),
            "registry": (["docker-registry", "serve", f"{work}/registry.yml"], {}),
            "webhooks": ([f"{self.bin}/kargo", "kubernetes-webhooks-server"], {
                **kargo, "WEBHOOK_SERVER_PORT": str(port["hooks"]),
                "CONTROLPLANE_USER_REGEX": "^system:serviceaccount:kargo:(kargo-api|kargo-controller|kargo-garbage-collector|kargo-management-controller)$",
                "MANAGEMENT_CONTROLLER_USERNAME": USERS["management"],
                "EXTERNAL_WEBHOOKS_SERVER_USERNAME": "system:serviceaccount:kargo:kargo-external-webhooks-server"}),
            # What Kargo's CLI talks to; started where a test needs it. The hash is of the password `a-word`.
            "kargo-api": ([f"{self.bin}/kargo", "api"], {
                **kargo, "BIND_ADDRESS": "127.0.0.1", "PORT": str(port["kargo-api"]), "ADMIN_ACCOUNT_ENABLED": "true",
                "ADMIN_ACCOUNT_PASSWORD_HASH": "$2b$12$10g15OWHNIfRkaZzJtFQ7Ot3b.he991KOmSy.ZcMNj.6pa0Boh8xm", "ADMIN_ACCOUNT_TOKEN_ISSUER": "cluster-test",
                "ADMIN_ACCOUNT_TOKEN_AUDIENCE": "cluster-test", "ADMIN_ACCOUNT_TOKEN_SIGNING_KEY": "a-key-of-this-test"}),
            "management": ([f"{self.bin}/kargo", "management-controller"], {**kargo, "EXTERNAL_WEBHOOK_SERVER_BASE_URL": "http://127.0.0.1/hooks"}),
            "controller": ([f"{self.bin}/kargo", "controller"], {
                **kargo, "IS_DEFAULT_CONTROLLER": "true", "ARGOCD_INTEGRATION_ENABLED": "false", "ROLLOUTS_INTEGRATION_ENABLED": "true",
                "ALLOW_CREDENTIALS_OVER_HTTP": "true", "GITCLIENT_NAME": "kargo", "GITCLIENT_EMAIL": "kargo@example.com",
                "IMAGE_REGISTRY_RATE_LIMIT": "20", "MAX_IMAGE_CACHE_ENTRIES": "100000"}),
            "rollouts": ([f"{self.bin}/rollouts-controller", f"--kubeconfig={pki}/rollouts.kubeconfig", "--leader-elect=false",
                          "--controllers=analysis", f"--healthzPort={port['health']}", f"--metricsPort={port['metrics']}"], {}),
        }[name]

    def start(self, name, command=None, environment=None):
        """Starts a part, which this class knows or whose command is given."""
        if command is None:
            command, environment = self.command(name)
        os.makedirs(f"{self.work}/tmp/{name}", exist_ok=True)
        with open(f"{self.logs}/{name}.log", "ab") as log:
            self.running[name] = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log,
                                                  stdin=subprocess.DEVNULL, start_new_session=True)

    def stop(self, name, how=signal.SIGTERM):
        process = self.running.pop(name, None)
        if process and process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kubectl(self, *arguments, text=None):
        done = subprocess.run(["kubectl", f"--kubeconfig={self.pki}/admin.kubeconfig", *arguments], input=text,
                              capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def up(self):
        self.keys()
        with open(f"{self.work}/registry.yml", "w") as file:
            file.write(f"version: 0.1\nlog: {{level: info, accesslog: {{disabled: false}}}}\n"
                       f"storage: {{filesystem: {{rootdirectory: {self.data}/registry}}, delete: {{enabled: true}}}}\n"
                       f"http: {{addr: {self.registry}}}\n")
        for name in ("etcd", "apiserver", "registry"):
            self.start(name)
        self.api = Api(self.url, self.pki)
        # The controller manager gives up where this takes it more than ten seconds.
        wait(90, "the API server", lambda: self.api.is_ready() and self.api.get("namespaces", "default"))
        self.start("manager")
        for name in NAMESPACES:
            self.api.ask("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        crds = f"{self.home}/crds"
        self.kubectl("apply", "--server-side", "-f", f"{crds}/kargo", "-f", f"{crds}/rollouts")
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        for name in ("webhooks", "management", "controller", "rollouts"):
            self.start(name)
        self.kubectl("apply", "--server-side", "-f", "-", text=self.webhooks())
        project = {"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Project", "metadata": {"name": "probe"}}
        wait(90, "Kargo's webhooks", lambda: self.api.ask("POST", self.api.path("projects") + "?dryRun=All", project))

    def empty(self):
        """Ends the Project, and with it all that is in it."""
        try:
            self.api.ask("DELETE", self.api.path("projects", name="image-factory"))
        except Refused:
            return

        def is_gone():
            try:
                self.api.get("namespaces", "image-factory")
            except Refused as error:
                return error.code == 404

        wait(120, "the end of the Project", is_gone)

    def webhooks(self):
        """The chart's webhook configurations, with this server's address in place of the service."""
        with open(f"{self.pki}/ca.crt", "rb") as file:
            authority = base64.b64encode(file.read()).decode()
        out = []
        with open(f"{self.home}/crds/webhooks.yaml") as file:
            for line in file.read().splitlines():
                path = re.match(r"      path: (\S+)$", line)
                if path:
                    out += [f"    url: https://127.0.0.1:{self.port['hooks']}{path[1]}", f"    caBundle: {authority}"]
                elif "{{" not in line and line.strip() not in ("service:", "labels:", "annotations:") \
                        and line != "      name: kargo-webhooks-server":
                    out.append(line)
        return "\n".join(out)

    def down(self):
        for name in list(reversed(list(self.running))):
            self.stop(name)
