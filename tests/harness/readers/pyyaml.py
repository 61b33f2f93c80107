"""Says whether PyYAML reads documents back as they were meant.

Each line of standard input is {"yaml": "...", "value": ...}. Each line of standard output answers
one: "ok", or what PyYAML made of it. plugin/tests/yaml_readers.rs asks; it needs
`pip install pyyaml`, or Debian's python3-yaml.
"""

import json
import sys

import yaml

LOADERS = [yaml.SafeLoader] + ([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])


def verdict(text, value):
    for loader in LOADERS:
        try:
            read = yaml.load(text, Loader=loader)
        except (yaml.YAMLError, ValueError) as error:
            return f"{loader.__name__}: {error}"
        # Compared as JSON, since to Python 1 is True and 1.0.
        if json.dumps(read, default=repr) != json.dumps(value):
            return f"{loader.__name__}: {read!r}"
    return "ok"


def main():
    for line in sys.stdin.buffer:
        question = json.loads(line)
        answer = verdict(question["yaml"], question["value"])
        print(" ".join(answer.encode("unicode_escape").decode().split("\\n")))


if __name__ == "__main__":
    main()
