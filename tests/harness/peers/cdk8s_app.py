"""The first design of Image Factory, as a cdk8s app: what compare.py measures against.

images.yaml and the state files are merged by name, images.yaml first; whatever then has repoURL
and allowTags becomes a Warehouse in dist/. usage: cdk8s_app.py FACTORY DIST
"""

import pathlib
import sys

import cdk8s
import yaml

# libyaml's loader where PyYAML was built with it: several times faster than the one in Python.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader=LOADER)


def merged_entries(factory):
    entries = {}
    for kind in ("images", "base-images"):
        for path in sorted((factory / "state" / kind).glob("*.yaml")):
            state = load(path)
            entries[state["name"]] = state
    for enrolment in load(factory / "images.yaml"):
        entry = {**entries.get(enrolment["name"], {}), **enrolment}
        if "source" in enrolment:
            # Built by CI, so never watched.
            entry.pop("repoURL", None)
            entry.pop("allowTags", None)
        elif enrolment.get("allowTags"):
            entry["repoURL"] = f"{enrolment['registry']}/{enrolment['repository']}"
        entries[enrolment["name"]] = entry
    return entries


class Warehouses(cdk8s.Chart):
    def __init__(self, scope, entries):
        super().__init__(scope, "image-factory")
        for name, entry in sorted(entries.items()):
            if not (entry.get("repoURL") and entry.get("allowTags")):
                continue
            image = {
                "repoURL": entry["repoURL"],
                "allowTagsRegexes": [entry["allowTags"]],
                "imageSelectionStrategy": entry.get("imageSelectionStrategy", "SemVer"),
            }
            warehouse = cdk8s.ApiObject(
                self,
                name,
                api_version="kargo.akuity.io/v1alpha1",
                kind="Warehouse",
                metadata=cdk8s.ApiObjectMetadata(name=name, namespace="image-factory"),
            )
            warehouse.add_json_patch(
                cdk8s.JsonPatch.add("/spec", {"interval": "24h0m0s", "subscriptions": [{"image": image}]})
            )


def main():
    factory, dist = map(pathlib.Path, sys.argv[1:])
    app = cdk8s.App(outdir=str(dist))
    Warehouses(app, merged_entries(factory))
    app.synth()


if __name__ == "__main__":
    main()
