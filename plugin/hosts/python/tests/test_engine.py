from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

import image_factory
from image_factory import Engine, FactoryError, Fetched, Needs

HERE = Path(__file__).parent
KIT = Path(os.environ.get("IMAGE_FACTORY_KIT", HERE / "../../../../target/kit/kit.jsonl"))
IMAGES = "- name: redis\n  registry: docker.io\n  repository: library/redis\n  allowTags: ^7\n"


def test_every_exchange_of_the_kit_gives_the_same_bytes() -> None:
    engine = Engine()
    exchanges = [json.loads(line) for line in KIT.read_text().splitlines()]
    assert len(exchanges) > 100
    for exchange in exchanges:
        if "request" in exchange:
            request = exchange["request"].encode()
        else:
            request = bytes.fromhex(exchange["requestHex"]) * exchange.get("times", 1)
        answer = engine.call(request)
        assert hashlib.sha256(answer).hexdigest() == exchange["sha256"], exchange["name"]


def test_every_exchange_is_of_the_schema() -> None:
    schema = json.loads((HERE / "../../../../docs/envelope.schema.json").read_text())
    for exchange in map(json.loads, KIT.read_text().splitlines()):
        answer = json.loads(exchange["answer"])
        jsonschema.validate(answer, {**schema, "$ref": "#/$defs/answer"})
        if "request" in exchange and not exchange["name"].startswith("hostile/"):
            jsonschema.validate(json.loads(exchange["request"]), {**schema, "$ref": "#/$defs/request"})


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


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (HERE.parent / "README.md").read_text(), re.S)


@pytest.mark.parametrize("program", blocks())
def test_the_page_works_by_copy_and_paste(program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    expected = re.findall(r"^# > (.*)$", program, re.M)
    assert expected and done.stdout.splitlines() == expected
