"""A node made of processes: what a kubelet and a container runtime would do, as far as our Jobs
need it, without any of their isolation. A container of the image `image-factory-job` is the program
that was built here, started with the container's arguments; where its environment names a mounted
path, it gets the folder with that volume's files. No other image runs.
"""
import base64
import os
import re
import shutil
import subprocess
import threading
import time

from parts import Refused


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def field(pod, path):
    """What a Pod's environment takes from the Pod: a label."""
    return pod["metadata"]["labels"][re.fullmatch(r"metadata\.labels\['(.+)'\]", path)[1]]


class Node:
    def __init__(self, api, program, work):
        self.api, self.program, self.work = api, program, work
        self.seen, self.started, self.processes, self.stopping = set(), [], set(), False
        self.lock = threading.Lock()
        # What a test puts here decides over a start: it gets the arguments, and returns an exit code
        # to end the container with at once, or None.
        self.before = lambda arguments: None
        os.makedirs(f"{work}/pods", exist_ok=True)
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        while not self.stopping:
            try:
                pods = self.api.ask("GET", "/api/v1/pods")
                for pod in pods["items"]:
                    self.take(pod)
                for event in self.api.watch("/api/v1/pods", pods["metadata"]["resourceVersion"]):
                    if event["type"] == "ERROR":
                        break
                    if event["type"] in ("ADDED", "MODIFIED"):
                        self.take(event["object"])
            except Exception:  # noqa: BLE001  the API server may be away for a moment
                time.sleep(0.5)

    def take(self, pod):
        with self.lock:
            uid = pod["metadata"]["uid"]
            # A watch that was begun before goes on, beside the node of the next part.
            if self.stopping or uid in self.seen or pod.get("status", {}).get("phase") != "Pending":
                return
            self.seen.add(uid)
        threading.Thread(target=self.run, args=(pod,), daemon=True).start()

    def run(self, pod):
        metadata, spec = pod["metadata"], pod["spec"]
        container = spec["containers"][0]
        folder = f"{self.work}/pods/{metadata['uid']}"
        begun = now()

        def report(phase, state):
            status = {"phase": phase, "startTime": begun, "containerStatuses": [
                {"name": container["name"], "image": container["image"], "imageID": "", "ready": False, "restartCount": 0, "state": state}]}
            try:
                path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
                self.api.ask("PATCH", path, {"status": status}, "application/merge-patch+json")
            except Refused:
                pass  # the Pod is gone

        try:
            places = {mount["mountPath"]: self.volume(pod, spec, mount["name"], folder) for mount in container.get("volumeMounts", [])}
            if not re.match(r"(.+/)?image-factory-job:", container["image"]) or container.get("command"):
                raise ValueError(f"not an image that is run here: {container['image']}")
        except Exception as error:  # noqa: BLE001
            return report("Pending", {"waiting": {"reason": "CreateContainerConfigError", "message": str(error)}})
        report("Running", {"running": {"startedAt": begun}})
        given = {pair["name"]: pair.get("value") or field(pod, pair["valueFrom"]["fieldRef"]["fieldPath"]) for pair in container.get("env", [])}
        arguments = [re.sub(r"\$\((\w+)\)", lambda found: given.get(found[1], found[0]), argument) for argument in container["args"]]
        code = self.before(arguments)
        log = f"{self.work}/pods/{metadata['name']}.log"
        record = {"arguments": arguments, "pod": metadata["name"], "log": log, "begun": time.time()}
        if code is None:
            environment = {"PATH": os.environ["PATH"]}
            for name, value in given.items():
                for place, source in places.items():
                    if value == place or value.startswith(f"{place}/"):
                        value = source + value[len(place):]
                environment[name] = value
            with open(log, "wb") as out:
                process = subprocess.Popen([self.program, *arguments], env=environment, cwd=folder, stdout=out, stderr=out,
                                           stdin=subprocess.DEVNULL, start_new_session=True)
            self.processes.add(process)
            _, status, usage = os.wait4(process.pid, 0)
            self.processes.discard(process)
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code
            record["memory"] = usage.ru_maxrss  # KiB
        record.update(code=code, ended=time.time())
        self.started.append(record)
        ended = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "startedAt": begun, "finishedAt": now()}
        report("Succeeded" if code == 0 else "Failed", {"terminated": ended})
        shutil.rmtree(folder, ignore_errors=True)

    def volume(self, pod, spec, name, folder):
        place = f"{folder}/{name}"
        os.makedirs(place, exist_ok=True)
        volume = next(volume for volume in spec["volumes"] if volume["name"] == name)
        secrets = [(volume["secret"]["secretName"], volume["secret"])] if "secret" in volume else []
        for source in volume.get("projected", {}).get("sources", []):
            secrets.append((source["secret"]["name"], source["secret"]))
        for secret_name, secret in secrets:
            try:
                data = self.api.get("secrets", secret_name, pod["metadata"]["namespace"])["data"]
            except Refused as error:
                if error.code != 404 or not secret.get("optional"):
                    raise
                continue
            for item in secret["items"]:
                with open(f"{place}/{item['path']}", "wb") as file:
                    file.write(base64.b64decode(data[item["key"]]))
        return place

    def ran(self, *words):
        """The containers that ended and had all these words among their arguments."""
        return [record for record in self.started if all(word in record["arguments"] for word in words)]

    def stop(self):
        self.stopping = True
        for process in list(self.processes):
            process.kill()
