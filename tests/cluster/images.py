"""Tiny images for the registry: each has one layer with a text, or also the layers of a base image."""
import gzip
import hashlib
import io
import json
import tarfile
import time
import urllib.request

OCI = "application/vnd.oci.image."


def ask(method, url, data=None, kind=None):
    request = urllib.request.Request(url, method=method, data=data, headers={"Content-Type": kind} if kind else {})
    return urllib.request.urlopen(request)


class Registry:
    def __init__(self, address):
        self.address = address
        self.layers = {}

    def blob(self, repository, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        place = ask("POST", f"http://{self.address}/v2/{repository}/blobs/uploads/", b"").headers["Location"]
        ask("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", data, "application/octet-stream")
        return {"digest": digest, "size": len(data)}

    def manifest(self, repository, manifest, reference=None):
        data = json.dumps(manifest).encode()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        ask("PUT", f"http://{self.address}/v2/{repository}/manifests/{reference or digest}", data, manifest["mediaType"])
        return {"mediaType": manifest["mediaType"], "digest": digest, "size": len(data)}

    def push(self, repository, tag, text, base=None, annotations=None, created=None):
        """Pushes an image, on top of a base image's layers where one is named; its digest."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            entry = tarfile.TarInfo("text")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
        raw = out.getvalue()
        below = self.layers[base] if base else []
        layers = [*below, (raw, "sha256:" + hashlib.sha256(raw).hexdigest())]
        stored = [{"mediaType": OCI + "layer.v1.tar+gzip", **self.blob(repository, gzip.compress(layer, mtime=0))} for layer, _ in layers]
        config = {"created": created or (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) if base else "2026-01-01T00:00:00Z"), "architecture": "amd64", "os": "linux",
                  "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]}}
        manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "layers": stored,
                    "config": {"mediaType": OCI + "config.v1+json", **self.blob(repository, json.dumps(config).encode())}}
        if annotations:
            manifest["annotations"] = annotations
        digest = self.manifest(repository, manifest, tag)["digest"]
        self.layers[digest] = layers
        return digest
