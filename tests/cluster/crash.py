"""Kargo's controller killed at each step of a rebuild, with everything else real: an image and a base
image a step. However often it has to begin again, there is one run, and it is proved.
"""
import signal
import threading

import yaml

from loop import World

STEPS = ("wait", "find", "intend", "dispatch", "bare", "seek", "follow", "unkeyed", "note")


def dies(world, step, taken, method, path):
    """Whether the controller dies at this request of the image named for the step: as it arrives, or
    once it was `taken` and its answer is lost."""
    of_workflow = f"/repos/acme/shop/actions/workflows/{step}.yml"
    asks = path == f"{of_workflow}/dispatches"
    asked = len([request for request in world.host.requests if request["path"] == f"{of_workflow}/dispatches"])
    if step == "wait":
        return not taken and f"/state/images/{step}.yaml" in path and world.status(step) == "pending"
    if step == "find":
        return not taken and path.startswith(f"{of_workflow}/runs")
    if step == "intend":  # the intent is written, and nothing was asked for yet
        return not taken and asks
    if step == "dispatch":
        return taken and asks
    if step == "bare":  # the second POST, without inputs
        return not taken and asks and asked == 2
    if step == "seek":  # the first answer was lost, so it looks for the key
        return not taken and asked == 1 and path.startswith(f"{of_workflow}/runs")
    if step in ("follow", "unkeyed"):  # the first look at the run, and the second, when Kargo has kept its id
        of_run = [f"/actions/runs/{run['id']}" for run in world.runs(step)]
        looks = [request["path"] for request in world.host.requests if request["path"].endswith(tuple(of_run))]
        return not taken and path in looks and len(looks) == (1 if step == "follow" else 2)
    return False


def crash(cluster, checks, program):
    world = World(cluster, checks, program)
    host, factory, within, check = world.host, world.factory, checks.within, checks.check
    world.builds_on = {step: f"base/{step}" for step in STEPS}
    for step, base in world.builds_on.items():
        world.move(f"{step} one", base)
    host.repository("acme/shop", {f"{step}/Dockerfile": world.dockerfile(base) for step, base in world.builds_on.items()})
    # The API lists a run after 3 s, and `settle` is longer than that.
    patch = yaml.safe_dump([{"op": "test", "path": "/spec/vars/11/name", "value": "settle"},
                            {"op": "replace", "path": "/spec/vars/11/value", "value": "20s"}])
    world.begin(world.enrol(*STEPS, rebuildDelay="1s"), [{"target": {"kind": "PromotionTask", "name": "rebuild-github"}, "patch": patch}],
                intervals={"built": "20s"})
    host.listed_after = 3
    for step in ("bare", "unkeyed"):
        host.workflows[("acme/shop", f"{step}.yml")]["inputs"] = []
    # Such a run cannot be found again, so its note must stay, also where it is written while the
    # controller begins and looks at every Stage: this one ends while the controller is dead.
    died = {step: threading.Event() for step in STEPS}
    unkeyed = host.workflows[("acme/shop", "unkeyed.yml")]
    built = unkeyed["build"]
    unkeyed["build"] = lambda run: died["unkeyed"].wait(180) and built(run)
    host.broken["seek.yml"] = "lost after"
    bases = {}
    for step in STEPS:
        bases[step] = (within(120, f"{step}: its base image is known", lambda: world.image(step).get("baseImages")) or ["?"])[0]
    factory.sync()
    for step in STEPS:
        within(180, f"{step}: its base image is observed", lambda: factory.verification(f"observe-{bases[step]}") == "Successful")

    for step in STEPS:
        lock = threading.Lock()

        def kill():
            with lock:
                if not died[step].is_set():
                    cluster.stop("controller", signal.SIGKILL)
                    died[step].set()
            return True

        def loses(taken, method, path):
            return not died[step].is_set() and dies(world, step, taken, method, path) and kill()

        def follow_note(version):
            for event in world.api.watch(world.api.path("stages"), version):
                thing = event["object"]
                note = thing.get("status", {}).get("metadata", {}).get("rebuild") or {}
                if thing["metadata"].get("name") == f"rebuild-{step}" and note.get("key", "none") != "none":
                    return kill()

        host.loses = loses
        if step == "note":
            version = world.api.ask("GET", world.api.path("stages"))["metadata"]["resourceVersion"]
            threading.Thread(target=follow_note, args=(version,), daemon=True).start()
        world.move(f"{step} two", world.builds_on[step])
        world.look("warehouses", bases[step])
        within(180, f"{step}: the controller is killed there", died[step].is_set)
        if step == "intend":
            check("intend: nothing was asked for", not world.runs(step), world.runs(step))
        host.loses = lambda taken, method, path: False
        kill()
        cluster.start("controller")

    for step in STEPS:
        within(300, f"{step}: proved", lambda: world.status(step) == "monitoring" and world.attempts(step))
        within(180, f"{step}: all its Promotions end", lambda: set(factory.phases(f"rebuild-{step}")) == {"Succeeded"})
        check(f"{step}: one run", len(world.runs(step)) == 1, world.runs(step))
        outcomes = [attempt["outcome"] for attempt in world.attempts(step)]
        note = world.api.get("stages", f"rebuild-{step}").get("status", {}).get("metadata")
        check(f"{step}: one attempt, and it is fresh", outcomes == ["fresh"], (world.image(step).get("rebuildState"), note))
    complaints = factory.complaints(["stages"])
    check("no Stage complains", not complaints, complaints)
    world.node.stop()
