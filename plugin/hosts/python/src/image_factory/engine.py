"""The module on wasmtime, through its plain ABI."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, cast

import wasmtime

from .envelope import About, Answer, Bases, Diagnostic, Fetched, Generated, Needs

ABI_VERSION = 1
_MAX_ROUNDS = 8
_MAX_MEMORY = 1 << 30


class FactoryError(Exception):
    """An answer whose exit code is not 0; `diagnostics` say what is wrong, and where."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.diagnostics: list[Diagnostic] = answer.get("diagnostics", [])
        errors = [_line(found) for found in self.diagnostics if found["severity"] == "error"]
        super().__init__("\n".join(errors) or f"the answer's exit code is {answer.get('exit')}")


def _line(found: Diagnostic) -> str:
    place = f"{found['file']}:{found['line']}:{found['column']}: " if "file" in found else ""
    return f"{place}{found['message']} ({found['code']})"


class Engine:
    """The compiled module. Each call has an instance of its own, so threads may share an engine."""

    def __init__(self, module: bytes | None = None) -> None:
        if module is None:
            module = files(__package__).joinpath("plugin.wasm").read_bytes()
        self._engine = wasmtime.Engine()
        self._module = wasmtime.Module(self._engine, module)
        self._linker = wasmtime.Linker(self._engine)
        # The functions of Extism, none of which the plain ABI calls.
        self._linker.define_unknown_imports_as_traps(self._module)

    def call(self, request: bytes) -> bytes:
        """Bytes of a JSON request to bytes of a JSON answer, whatever the bytes are."""
        store = wasmtime.Store(self._engine)
        store.set_limits(memory_size=_MAX_MEMORY)
        exports = self._linker.instantiate(store, self._module).exports(store)
        memory = cast(wasmtime.Memory, exports["memory"])
        alloc = cast(wasmtime.Func, exports["if_alloc"])
        answer = cast(wasmtime.Func, exports["if_call"])
        pointer = _unsigned(alloc(store, len(request)), 32)
        # 0 says that the request is too long; if_call then answers just that.
        if pointer != 0:
            memory.write(store, request, pointer)
        packed = _unsigned(answer(store, _signed(pointer), len(request)), 64)
        start, length = packed >> 32, packed & 0xFFFF_FFFF
        # The memory goes away with the store, and both buffers with it.
        return bytes(memory.read(store, start, start + length))

    def ask(self, verb: str, **request: Any) -> Answer:
        """One request, one answer, which may ask for more with `needs`."""
        text = json.dumps({"abi": ABI_VERSION, "verb": verb, **request}, ensure_ascii=False)
        return cast(Answer, json.loads(self.call(text.encode())))

    def about(self) -> About:
        """What the module says of itself."""
        return cast(About, self.ask("about")["output"])

    def generate(self, tree: Mapping[str, str], **args: Any) -> Generated:
        """The Kubernetes objects of a factory; a FactoryError where a file is wrong."""
        answer = _checked(self.ask("generate", tree=dict(tree), args=args))
        return {
            "manifests": answer.get("manifests", []),
            "diagnostics": answer.get("diagnostics", []),
        }

    def analyze(
        self,
        tree: Mapping[str, str],
        *,
        fetch: Callable[[Needs], Fetched],
        now: str,
        **args: Any,
    ) -> dict[str, str | None]:
        """The state files that change, None where one goes; `fetch` gets what is asked for."""
        fetched: Fetched = {"git": [], "registry": [], "ci": []}
        for _ in range(_MAX_ROUNDS):
            answer = self.ask("analyze", tree=dict(tree), args=args, now=now, fetched=fetched)
            if "needs" not in answer:
                return _checked(answer).get("files", {})
            more = fetch(answer["needs"])
            fetched["git"].extend(more.get("git", []))
            fetched["registry"].extend(more.get("registry", []))
            fetched["ci"].extend(more.get("ci", []))
        raise RuntimeError(f"the module still asks for more after {_MAX_ROUNDS} rounds")

    def bases(self, dockerfile: str, *, file: str = "Dockerfile", **args: Any) -> Bases:
        """The images that a Dockerfile needs; what is wrong with it stands in `diagnostics`."""
        answer = self.ask("bases", args={"files": [{"file": file, "text": dockerfile}], **args})
        if "output" not in answer:
            raise FactoryError(answer)
        return cast(Bases, answer["output"][0])


def _checked(answer: Answer) -> Answer:
    if answer.get("exit", 0) != 0:
        raise FactoryError(answer)
    return answer


def _unsigned(value: int, bits: int) -> int:
    return value & ((1 << bits) - 1)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >= 1 << 31 else value
