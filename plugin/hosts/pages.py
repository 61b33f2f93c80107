"""Does what a page says, by copy and paste in an empty folder: `pages.py PAGE[#HEADING]…`.

A page's blocks are followed in order. One whose first line is a comment with a file's name becomes
that file, and a `sh` block is run in the folder. What it prints must be the lines `# > …` or
`// > …` of the files before it, or the block right after it that has no name.
`IMAGE_FACTORY` is this checkout, and `target/debug` is on the PATH, where `image-factory` is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
NAME = re.compile(r"(?:#|//|<!--) ([\w./-]+\.\w+)(?: -->)?\n")
SAID = re.compile(r"^\s*(?:#|//) > (.*)$", re.M)


def blocks(page: str) -> list[tuple[str, str]]:
    """The page's blocks, or those of the section that `#heading` names, as language and text."""
    path, _, anchor = page.partition("#")
    text = (ROOT / path).read_text()
    if anchor:
        sections = re.split(r"^## (.*)$", text, flags=re.M)
        found = [body for title, body in zip(sections[1::2], sections[2::2]) if slug(title) == anchor]
        if len(found) != 1:
            sys.exit(f"{page}: there is no such section")
        text = found[0]
    return FENCE.findall(text)


def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def follow(page: str, folder: Path, environment: dict[str, str]) -> int:
    """Does what the page says; the number of commands whose output was compared."""
    said: list[str] = []
    printed: str | None = None
    compared = 0
    for language, text in blocks(page):
        name = NAME.match(text)
        if language == "sh":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                timeout=900,
            )
            if done.returncode != 0:
                sys.exit(f"{page}: this ended with {done.returncode}:\n{text}{done.stdout}")
            printed = done.stdout
            if said:
                compare(page, text, printed, "\n".join(said) + "\n")
                said, printed, compared = [], None, compared + 1
        elif name:
            file = folder / name[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            said += SAID.findall(text)
            printed = None
        elif printed is not None:
            compare(page, "", printed, text)
            printed, compared = None, compared + 1
    if said:
        sys.exit(f"{page}: nothing ran the file that says it prints {said}")
    return compared


def compare(page: str, command: str, printed: str, expected: str) -> None:
    if printed != expected:
        sys.exit(f"{page}: {command}printed\n{printed}\nand the page says\n{expected}")


def main() -> None:
    program = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
    environment = {**os.environ, "IMAGE_FACTORY": str(ROOT), "PATH": f"{program}:{os.environ['PATH']}"}
    for page in sys.argv[1:]:
        with tempfile.TemporaryDirectory(prefix="image-factory-") as folder:
            compared = follow(page, Path(folder), environment)
        if compared == 0:
            sys.exit(f"{page}: no command prints anything that the page tells")
        print(f"{page}: works by copy and paste; outputs as it says: {compared}")


main()
