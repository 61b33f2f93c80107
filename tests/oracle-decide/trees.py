#!/usr/bin/env python3
"""Writes trees and what a model of the state machine derives of them, as folders.

  trees.py MODEL COUNT OUT

MODEL is a Python file with `decide(tree, mends)`, `cases(mends)`, `scenario(seed)`, `World` and `MENDS`,
an executable model of the state machine. OUT gets one folder a tree: images.yaml and state/, and
expected.json with `rebuildState` by image. The first are the model's trees made by hand, then half
are random ones, and half come out of its random worlds. The same arguments give the same bytes.
"""
import copy, datetime, importlib.util, json, os, random, sys

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
PLATFORMS = ["amd64", "arm64"]


def load(path):
    spec = importlib.util.spec_from_file_location("model", path)
    model = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    return model


def time(minutes):
    return (START + datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def recorded(model, run):
    """The trees that `decide` is asked about while `run` runs, before it changes them."""
    found, decide = [], model.decide

    def spy(tree, mends):
        found.append(copy.deepcopy(tree))
        return decide(tree, mends)

    model.decide = spy
    try:
        run()
    finally:
        model.decide = decide
    return found


def by_hand(model):
    return recorded(model, lambda: list(model.cases(set(model.MENDS))))


def of_world(model, seed):
    return recorded(model, lambda: model.World(model.scenario(seed), set(model.MENDS)).go())


def random_tree(r):
    tree = {"enrol": {}, "images": {}, "bases": {}, "archive": {}}
    images = [f"i{n}" for n in range(r.randint(1, 6))]
    bases = [f"b{n}" for n in range(r.randint(1, 3))]
    for base in bases + [f"p{n}" for n in range(len(images))]:
        seen, history = r.randint(0, 5000), []
        for n in range(r.choice([0, 1, 2, 2, 3, 5, 9])):
            content = {p: f"{base}#{r.randint(0, 3)}{p}" for p in PLATFORMS if r.random() < 0.8}
            history.append({"d": f"{base}@{r.choice([n, n, n, 0])}", "seen": seen, "content": content})
            seen += r.choice([0, 5, 30, 300, 1440, 4000])
        tree["bases"][base] = {"hist": history, "deps": []}
    for at, name in enumerate(images):
        tree["enrol"][name] = {
            "auto": r.random() < 0.8, "delay": r.choice([0, 60, 1440, 10080]), "settle": r.choice([0, 30, 600]),
            "maxWait": r.choice([0, 60, 1440]), "offset": 0, "platforms": r.choice([["amd64"], PLATFORMS]),
            "roles": r.choice([["final"], ["final", "stage"]]), "publishes": f"p{at}"}
        pool = bases + [f"p{n}" for n in range(len(images)) if n < at or r.random() < 0.08]
        edges = []
        for base in r.sample(pool, min(len(pool), r.randint(0, 3))):
            history = [entry["d"] for entry in tree["bases"][base]["hist"]]
            edges.append({"name": base, "roles": [r.choice(["final", "final", "stage", "frontend"])],
                          "pinned": r.random() < 0.05, "evidence": r.choice(["provenance", "assumed"]),
                          "holds": r.choice([None, f"{base}@x"] + 6 * history)})
        attempts, when, number = [], r.randint(0, 9000), 0
        for _ in range(r.choice([0, 0, 1, 2, 5])):
            person = r.random() < 0.2
            number += not person
            targets = {}
            for edge in edges:
                digests = [entry["d"] for entry in tree["bases"][edge["name"]]["hist"]]
                if digests: targets[edge["name"]] = r.choice(digests[-2:])
            attempts.append({"key": f"rebuild-{name}.{when}" if person else f"{name}-{number}",
                             "n": None if person else number, "at": when, "targets": targets,
                             "image": r.choice(["now", "now", "before"]), "by": "ann" if person else None,
                             "outcome": r.choice(["fresh", "stale", "failed", "unpublished", "unproven"])})
            when += r.choice([10, 1440, 6000])
        tree["images"][name] = {"bases": edges, "digest": "now", "built": r.choice([None, r.randint(0, 9000)]),
                                "attempts": attempts, "rs": {"status": "monitoring", "pendingRebuild": False}}
    return tree


def text(value):
    return json.dumps(value)


def files(tree):
    out, enrolled = {}, []
    for name, e in tree["enrol"].items():
        enrolled.append({
            "name": name, "registry": "reg.test", "repository": f"acme/{name}",
            "source": {"provider": "github", "repo": "acme/app", "workflow": "build.yml",
                       "platforms": [f"linux/{p}" for p in e["platforms"]]},
            "rebuildDelay": f"{e['delay']}m", "settle": f"{e['settle']}m", "maxWait": f"{e['maxWait']}m",
            "autoRebuild": e["auto"], "roles": e["roles"]})
    out["images.yaml"] = text(enrolled)
    publishers = {e["publishes"]: n for n, e in tree["enrol"].items()}
    for name, base in tree["bases"].items():
        registry, repository = ("reg.test", f"acme/{publishers[name]}") if name in publishers else ("docker.io", f"library/{name}")
        out[f"state/base-images/{name}.yaml"] = text({
            "name": name, "registry": registry, "repository": repository, "tag": "1", "updateHistory": [
                {"digest": h["d"], "seen": time(h["seen"]), "content": {f"linux/{p}": c for p, c in h["content"].items()}}
                for h in base["hist"]]})
    for name, image in tree["images"].items():
        attempts = []
        for a in image["attempts"]:
            attempt = {"key": a["key"], "at": time(a["at"]), "targets": a["targets"], "image": a["image"], "outcome": a["outcome"]}
            if a["by"]: attempt["by"] = a["by"]
            attempts.append(attempt)
        out[f"state/images/{name}.yaml"] = text({
            "name": name, "discoveryStatus": "success", "currentDigest": image["digest"],
            "lastBuilt": None if image["built"] is None else time(image["built"]),
            "bases": [{k: e[k] for k in ("name", "roles", "pinned", "holds", "evidence")} for e in image["bases"]],
            "rebuildState": {"attempts": attempts}})
    return out


def expected(model, tree):
    tree = copy.deepcopy(tree)
    model.decide(tree, set(model.MENDS))
    out = {}
    for name, image in tree["images"].items():
        state = dict(image["rs"])
        for key in ("driftSince", "eligibleAt", "deadline"):
            if key in state: state[key] = time(state[key])
        if "reasons" in state: state["reasons"] = [{**r, "since": time(r["since"])} for r in state["reasons"]]
        out[name] = state
    return out


def main():
    model, count, out = load(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    trees = by_hand(model)
    r = random.Random(1)
    trees += [random_tree(r) for _ in range((count - len(trees)) // 2)]
    seed = 0
    while len(trees) < count:
        trees += r.sample(found := of_world(model, seed), min(len(found), 100))
        seed += 1
    for at, tree in enumerate(trees[:count]):
        for e in tree["enrol"].values(): e["offset"] = 0    # ours follows from the name
        folder = os.path.join(out, f"{at:05}")
        for path, content in {**files(tree), "expected.json": json.dumps(expected(model, tree))}.items():
            path = os.path.join(folder, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f: f.write(content)


if __name__ == "__main__":
    main()
