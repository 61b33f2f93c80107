from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import extism
import jsonschema  # type: ignore[import-untyped]
import pytest

import image_factory
from image_factory import Engine, FactoryError, Fetched, Needs

HERE = Path(__file__).parent
KIT = Path(os.environ.get("IMAGE_FACTORY_KIT", HERE / "../../../../target/kit"))
EXCHANGES = [json.loads(line) for line in (KIT / "kit.jsonl").read_text().splitlines()]
IMAGES = "- name: redis\n  registry: docker.io\n  repository: library/redis\n  allowTags: ^7\n"


def plain() -> Callable[[bytes], bytes]:
    return Engine().call


def extism_sdk() -> Callable[[bytes], bytes]:
    """One instance for all calls. Any export will do: each takes the verb of the request."""
    plugin = extism.Plugin((KIT / "plugin.wasm").read_bytes())
    return lambda request: plugin.call("about", request, parse=bytes)


@pytest.mark.parametrize("load", [plain, extism_sdk])
def test_every_exchange_of_the_kit_gives_the_same_bytes(load: Callable[[], Callable[[bytes], bytes]]) -> None:
    call = load()
    assert len(EXCHANGES) > 100
    for exchange in EXCHANGES:
        if "request" in exchange:
            request = exchange["request"].encode()
        else:
            request = bytes.fromhex(exchange["requestHex"]) * exchange["times"]
        assert hashlib.sha256(call(request)).hexdigest() == exchange["sha256"], exchange["name"]


def test_every_exchange_is_of_the_schema() -> None:
    text = (HERE / "../../../../docs/envelope.schema.json").read_bytes()
    schema = json.loads(text)

    def validator(of: str) -> jsonschema.Draft202012Validator:
        return jsonschema.Draft202012Validator({"$defs": schema["$defs"], "$ref": f"#/$defs/{of}"})

    whole = jsonschema.Draft202012Validator(schema)
    assert not whole.is_valid({"verb": 1})
    request, answer, about = validator("request"), validator("answer"), validator("about")
    for exchange in EXCHANGES:
        answer.validate(json.loads(exchange["answer"]))
        if "request" in exchange and not exchange["name"].startswith("hostile/"):
            request.validate(json.loads(exchange["request"]))
    said = image_factory.about()
    about.validate(said)
    assert said["schemas"]["envelope"] == "sha256:" + hashlib.sha256(text).hexdigest()


def test_a_factory_becomes_warehouses() -> None:
    manifests = image_factory.generate({"images.yaml": IMAGES})["manifests"]
    assert [(it["kind"], it["metadata"]["name"]) for it in manifests] == [("Warehouse", "redis")]


def test_an_error_has_its_place() -> None:
    with pytest.raises(FactoryError, match=r"^images\.yaml:\d+:\d+: .*IF01") as error:
        image_factory.generate({"images.yaml": "- name: [\n"})
    assert error.value.diagnostics[0]["file"] == "images.yaml"


def test_a_dockerfile_names_its_base_images() -> None:
    text = "ARG V=22\nFROM node:${V} AS build\nFROM alpine:3\nCOPY --from=build /a /a\n"
    found = image_factory.bases(text, buildArgs={"V": "24"})
    assert [image["reference"] for image in found["images"]] == [
        "docker.io/library/alpine:3",
        "docker.io/library/node:24",
    ]


def test_analyze_fetches() -> None:
    images = (
        "- name: web\n  registry: ghcr.io\n  repository: acme/web\n"
        "  source: {provider: github, repo: acme/web, dockerfile: Dockerfile, workflow: web.yml}\n"
    )

    def fetch(needs: Needs) -> Fetched:
        return {
            "git": [
                {
                    "url": need["url"],
                    "reference": need["reference"],
                    "commit": "0123456789abcdef0123456789abcdef01234567",
                    "files": {
                        path: "FROM alpine:3\n" if path == "Dockerfile" else None
                        for path in need["paths"]
                    },
                }
                for need in needs.get("git", [])
            ]
        }

    now = "2026-01-05T10:00:00Z"
    files = image_factory.analyze({"images.yaml": images}, fetch=fetch, now=now, all=True)
    assert "state/images/web.yaml" in files
