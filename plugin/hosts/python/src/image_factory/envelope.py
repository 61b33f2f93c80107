"""The types of the envelope, as docs/embedding.md of the project has them."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class Diagnostic(TypedDict, total=False):
    """What is wrong, and where; lines and columns are from 1."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    file: str
    line: int
    column: int
    length: int
    source: str
    hint: str


class GitNeed(TypedDict):
    """Files of one repository at one reference, which is empty for the remote's HEAD."""

    url: str
    reference: str
    paths: list[str]


class RegistryNeed(TypedDict):
    """One document of a registry."""

    image: str
    kind: Literal["head", "manifest", "blob"]


class CiNeed(TypedDict):
    """One question to the API of CI; `path` is what follows the API's URL."""

    provider: Literal["github", "gitlab"]
    path: str


class Needs(TypedDict, total=False):
    """What a host must fetch before it asks again."""

    git: list[GitNeed]
    registry: list[RegistryNeed]
    ci: list[CiNeed]


class GitFetched(TypedDict, total=False):
    """The answer to one GitNeed: a file that the commit lacks is None."""

    url: str
    reference: str
    commit: str
    files: dict[str, str | None]
    error: str


Reason = Literal["unreachable", "limited", "denied", "missing", "refused"]


class RegistryFetched(TypedDict, total=False):
    """The answer to one RegistryNeed."""

    image: str
    kind: Literal["head", "manifest", "blob"]
    digest: str
    mediaType: str
    text: str
    error: str
    reason: Reason


class CiFetched(TypedDict, total=False):
    """The answer to one CiNeed."""

    provider: Literal["github", "gitlab"]
    path: str
    text: str
    error: str
    reason: Reason


class Fetched(TypedDict, total=False):
    """What a host fetched so far."""

    git: list[GitFetched]
    registry: list[RegistryFetched]
    ci: list[CiFetched]


class About(TypedDict):
    """What the module is; `schemas` are the digests of the schemas, by name."""

    name: str
    version: str
    abi: int
    verbs: list[str]
    schemas: dict[str, str]


class Answer(TypedDict, total=False):
    """What the module says; what is empty is left out."""

    needs: Needs
    files: dict[str, str | None]
    manifests: list[dict[str, Any]]
    output: Any
    diagnostics: list[Diagnostic]
    messages: list[str]
    exit: int


class Generated(TypedDict):
    """The Kubernetes objects of a factory, and warnings."""

    manifests: list[dict[str, Any]]
    diagnostics: list[Diagnostic]


class Place(TypedDict):
    """From 1, in characters."""

    line: int
    column: int


class BaseImage(TypedDict):
    """An image that a Dockerfile needs."""

    reference: str
    platform: str
    roles: list[str]
    used: bool
    where: list[Place]
    arguments: list[str]


class Unresolved(Place):
    """An image that depends on an argument without a value."""

    argument: str
    used: bool
    text: str


class Bases(TypedDict):
    """The images that a Dockerfile needs, and what is wrong with it."""

    file: str
    images: list[BaseImage]
    unresolved: list[Unresolved]
    diagnostics: list[Diagnostic]
