"""Image Factory's engine: a factory's files in, Kargo resources, state and base images out.

>>> import image_factory
>>> image_factory.bases("FROM node:22 AS build\\nFROM alpine:3\\n")["images"][0]["reference"]
'docker.io/library/alpine:3'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from .engine import Engine, FactoryError
from .envelope import About, Answer, Bases, Diagnostic, Fetched, Generated, GitFetched, GitNeed, Needs

__all__ = [
    "About",
    "Answer",
    "Bases",
    "Diagnostic",
    "Engine",
    "FactoryError",
    "Fetched",
    "Generated",
    "GitFetched",
    "GitNeed",
    "Needs",
    "about",
    "analyze",
    "bases",
    "generate",
]


@cache
def _engine() -> Engine:
    return Engine()


def about() -> About:
    """What the module says of itself."""
    return _engine().about()


def generate(tree: Mapping[str, str], **args: Any) -> Generated:
    """The Kubernetes objects of a factory; a FactoryError where a file is wrong."""
    return _engine().generate(tree, **args)


def analyze(
    tree: Mapping[str, str], *, fetch: Callable[[Needs], Fetched], now: str, **args: Any
) -> dict[str, str | None]:
    """The state files that change, None where one goes; a FactoryError where a file is wrong."""
    return _engine().analyze(tree, fetch=fetch, now=now, **args)


def bases(dockerfile: str, *, file: str = "Dockerfile", **args: Any) -> Bases:
    """The images that a Dockerfile needs; what is wrong with it stands in `diagnostics`."""
    return _engine().bases(dockerfile, file=file, **args)
