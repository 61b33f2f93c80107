"""What is not a registry: git over HTTP, the parts of GitHub's and GitLab's REST APIs that a rebuild
asks, and an endpoint for any POST. One loopback server, which can be down.

The API answers as GitHub documents it (2022-11-28): a dispatch is refused without the token, without
a `ref`, and for inputs that the workflow does not declare.
"""
import base64
import http.server
import json
import os
import re
import socketserver
import subprocess
import threading
import time
import urllib.parse

TOKEN = "a-token-that-is-nowhere-else"


class Host:
    def __init__(self, folder):
        self.folder = folder
        self.down = False
        # Where it is set (`name:word`), nobody else can push.
        self.pusher = None
        self.requests, self.runs, self.pipelines, self.hooks = [], [], [], []
        self.began = {}
        self.lock = threading.Lock()
        # What a dispatch does, by workflow: given the run, it may build; None answers as set in `broken`.
        self.workflows, self.broken = {}, {}
        # How many seconds after it began a run is listed; and what a test puts here sees each request to
        # an API when it arrives (`taken` is false) and once it was taken. Where it gives True, the
        # connection is lost there.
        self.listed_after, self.loses = 0, lambda taken, method, path: False
        os.makedirs(f"{folder}/git", exist_ok=True)
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                if host.down:
                    self.close_connection = True
                    return self.connection.close()
                body = self.body()
                path, _, query = self.path.partition("?")
                if path.startswith("/git/"):
                    return self.git(path, query, body)
                host.requests.append({"at": time.time(), "method": self.command, "path": self.path,
                                      "token": self.headers.get("Authorization"), "body": body.decode(errors="replace")})
                lost = host.loses(False, self.command, path)
                if not lost:
                    code, answer, kind = host.answer(self.command, path, urllib.parse.parse_qs(query), body, self.headers)
                    lost = code is None or host.loses(True, self.command, path)
                if lost:
                    self.close_connection = True
                    return self.connection.close()
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.reply(code, data, [("Content-Type", kind)])

            def body(self):
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                out = b""
                while size := int(self.rfile.readline().strip() or b"0", 16):
                    out += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return out

            def reply(self, code, data, headers):
                self.send_response(code)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def git(self, path, query, body):
                asked = base64.b64encode((host.pusher or "").encode()).decode()
                if host.pusher and "git-receive-pack" in path + query and self.headers.get("Authorization") != f"Basic {asked}":
                    return self.reply(401, b"", [("WWW-Authenticate", 'Basic realm="git"')])
                environment = {
                    "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": f"{host.folder}/git", "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path[len("/git"):], "QUERY_STRING": query, "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_USER": "someone", "REMOTE_ADDR": "127.0.0.1",
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", "")}
                out = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True).stdout
                head, _, data = out.partition(b"\r\n\r\n")
                headers = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
                code = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
                self.reply(code, data, [pair for pair in headers if pair[0] != "Status"])

            do_GET = do_POST = do_PUT = do_HEAD = handle_any

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path, query, body, headers):
        """The answer to what is not git: code (None for a lost connection), body, content type."""
        kind = "application/json"
        if path.startswith("/api/v4/"):
            return (*self.gitlab(method, path, query, body, headers), kind)
        if path == "/hook":
            if headers.get("Authorization") != f"Bearer {TOKEN}":
                return 403, {}, kind
            self.hooks.append(json.loads(body))
            return 202, {"eventID": "an-event"}, kind
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}, kind
        content = re.fullmatch(r"/repos/(.+?)/contents/(.+)", path)
        if content and method == "GET":
            if headers.get("Accept") != "application/vnd.github.raw+json":
                return 415, {"message": "this stub only knows the raw form"}, kind
            shown = subprocess.run(["git", "-C", f"{self.folder}/git/{content[1]}.git", "show", f"{query['ref'][0]}:{content[2]}"], capture_output=True)
            return (200, shown.stdout, "application/vnd.github.raw+json; charset=utf-8") if shown.returncode == 0 else (404, {"message": "Not Found"}, kind)
        dispatch = re.fullmatch(r"/repos/(.+)/actions/workflows/([^/]+)/dispatches", path)
        if dispatch and method == "POST":
            return (*self.dispatch(*dispatch.groups(), json.loads(body)), kind)
        listing = re.fullmatch(r"/repos/(.+)/actions/workflows/([^/]+)/runs", path)
        if listing:
            found = [run for run in self.runs if (run["repository"], run["workflow"]) == listing.groups()
                     and time.time() - self.began[run["id"]] >= self.listed_after]
            return 200, {"total_count": len(found), "workflow_runs": found}, kind
        run = re.fullmatch(r"/repos/(.+)/actions/runs/(\d+)", path)
        if run:
            found = [known for known in self.runs if known["id"] == int(run[2])]
            return (200, found[0], kind) if found else (404, {"message": "Not Found"}, kind)
        return 404, {"message": "Not Found"}, kind

    def gitlab(self, method, path, query, body, headers):
        """GitLab's REST API v4: make a pipeline, list pipelines, look at one."""
        if headers.get("PRIVATE-TOKEN") != TOKEN or "acme%2Fdenied" in path:
            return 401, {"message": "401 Unauthorized"}
        made = re.fullmatch(r"/api/v4/projects/([^/]+)/pipeline", path)
        if made and method == "POST":
            asked = json.loads(body)
            variables = {pair["key"]: pair["value"] for pair in asked["variables"]}
            with self.lock:
                number = 400_000_000 + len(self.pipelines)
                pipeline = {"id": number, "project": made[1], "ref": asked["ref"], "source": "api", "status": "success", "variables": variables,
                            "name": variables.get("IMAGE_FACTORY_KEY"), "created_at": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()), "web_url": f"{self.url}/-/pipelines/{number}"}
                self.pipelines.append(pipeline)
            return 201, pipeline
        listed = re.fullmatch(r"/api/v4/projects/([^/]+)/pipelines(?:/(\d+))?", path)
        found = [known for known in self.pipelines if listed and known["project"] == listed[1]]
        if listed and listed[2]:
            found = [known for known in found if known["id"] == int(listed[2])]
            return (200, found[0]) if found else (404, {"message": "404 Not Found"})
        return (200, found) if listed else (404, {"error": "404 Not Found"})

    def dispatch(self, repository, workflow, body):
        work = self.workflows.get((repository, workflow))
        if work is None:
            return 404, {"message": "Not Found"}
        broken = self.broken.get(workflow)
        if broken == "refused before":
            return 500, {"message": "Server Error"}
        inputs = body.get("inputs") or {}
        unknown = sorted(set(inputs) - set(work["inputs"]))
        if unknown:
            return 422, {"message": f"Unexpected inputs provided: {unknown}"}
        if not body.get("ref"):
            return 422, {"message": "Invalid request. \"ref\" wasn't supplied."}
        with self.lock:
            number = 30433642 + len(self.runs) + 10_000_000_000
            run = {"id": number, "repository": repository, "workflow": workflow, "event": "workflow_dispatch", "status": "in_progress",
                   "conclusion": None, "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "inputs": inputs,
                   "display_title": f"rebuild {inputs['key']} of {repository}" if "key" in inputs else workflow,
                   "html_url": f"{self.url}/{repository}/actions/runs/{number}"}
            self.began[number] = time.time()
            self.runs.append(run)

        def build():
            run["conclusion"] = work["build"](run)
            run["status"] = "completed"

        threading.Thread(target=build, daemon=True).start()
        if broken == "lost after":
            return None, None
        return 200, {"workflow_run_id": run["id"], "run_url": f"{self.url}/repos/{repository}/actions/runs/{run['id']}", "html_url": run["html_url"]}

    def repository(self, name, files):
        """A new bare repository with one commit; its URL."""
        bare = f"{self.folder}/git/{name}.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", bare], check=True)
        subprocess.run(["git", "-C", bare, "config", "http.receivepack", "true"], check=True)
        subprocess.run(["git", "-C", bare, "config", "uploadpack.allowFilter", "true"], check=True)
        subprocess.run(["git", "-C", bare, "config", "uploadpack.allowAnySHA1InWant", "true"], check=True)
        self.commit(name, "begin", files)
        return f"{self.url}/git/{name}.git"

    def commit(self, name, message, files):
        """A commit by a person: text by path, None deletes. A lost race is tried again."""
        bare = f"{self.folder}/git/{name}.git"
        for _ in range(20):
            parent = self.git(name, "rev-parse", "-q", "--verify", "refs/heads/main", check=False)
            index = f"{bare}/index-{threading.get_ident()}"
            environment = {**os.environ, "GIT_INDEX_FILE": index, "GIT_AUTHOR_NAME": "someone", "GIT_AUTHOR_EMAIL": "someone@example.com",
                           "GIT_COMMITTER_NAME": "someone", "GIT_COMMITTER_EMAIL": "someone@example.com"}

            def run(*arguments, text=None):
                return subprocess.run(["git", "-C", bare, *arguments], env=environment, input=text, check=True, capture_output=True, text=True).stdout.strip()

            if os.path.exists(index):
                os.remove(index)
            if parent:
                run("read-tree", parent)
            for path, content in files.items():
                if content is None:
                    run("update-index", "--force-remove", path)
                else:
                    blob = run("hash-object", "-w", "--stdin", text=content)
                    run("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
            commit = run("commit-tree", run("write-tree"), "-m", message, *(["-p", parent] if parent else []))
            try:
                run("update-ref", "refs/heads/main", commit, parent or "0" * 40)
                return commit
            except subprocess.CalledProcessError:
                continue
        raise RuntimeError("every race was lost")

    def git(self, name, *arguments, check=True):
        done = subprocess.run(["git", "-C", f"{self.folder}/git/{name}.git", *arguments], capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()
