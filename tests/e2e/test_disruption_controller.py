"""The disruption calculator against the real disruption controller and the real eviction API, on whatever comes to mind."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.cluster.processes import poll
from tests.e2e import manifests
from tests.e2e.test_budgets import MADE, made, maintained
from tests.e2e.world import CLEANER, DANA, EmbeddedWorld
from tierguard.cli.picture import picture
from tierguard.cluster.client import Api, ApiError
from tierguard.disruption import Allowance, Budget, Eviction, disruptions_allowed, eviction
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.rules.coverage import controllers_of

pytestmark = pytest.mark.embedded

SECONDS = 20.0
NEVER_READY = "tierguard.io/test-never-ready"

# Nothing is shrunk: every example costs seconds. What is printed can be pasted into @reproduce_failure.
LIVE = settings(
    max_examples=25,
    deadline=None,
    database=None,
    print_blob=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Wanted:
    """A workload: its kind, its replicas (a DaemonSet has what it has), its extra labels, and whether its pods get ready."""

    kind: str
    replicas: int
    labels: tuple[tuple[str, str], ...] = ()
    ready: bool = True


@dataclass(frozen=True)
class Limit:
    """A budget: its selector, its one limit, and what becomes of pods that are not ready."""

    selector: Mapping[str, Any]
    field: str
    value: int | str
    unhealthy: str | None = None


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


SELECTORS: list[dict[str, Any]] = [
    {},
    {"matchLabels": {"app": "w0"}},
    {"matchLabels": {"app": "w1"}},
    {"matchLabels": {"team": "core"}},
    {"matchLabels": {"team": "core", "track": "stable"}},
    {"matchExpressions": [expression("app", "In", "w0", "w2")]},
    {"matchExpressions": [expression("app", "NotIn", "w0")]},
    {"matchExpressions": [expression("track", "Exists")]},
    {"matchExpressions": [expression("track", "DoesNotExist"), expression("team", "NotIn", "edge")]},
    {"matchLabels": {"team": "core"}, "matchExpressions": [expression("app", "NotIn", "w1")]},
]
LABELS = st.fixed_dictionaries(
    {}, optional={"team": st.sampled_from(["core", "edge"]), "track": st.sampled_from(["stable", "canary"])}
).map(lambda found: tuple(sorted(found.items())))
SCALED = st.builds(
    Wanted,
    st.sampled_from(["Deployment", "StatefulSet"]),
    st.integers(0, 5),
    LABELS,
    st.sampled_from([True, True, False]),
)
WORKLOADS = st.one_of(
    st.lists(SCALED, min_size=1, max_size=3),
    st.builds(
        lambda scaled, labels: [*scaled, Wanted("DaemonSet", 0, labels)],
        st.lists(SCALED, min_size=1, max_size=2),
        LABELS,
    ),
)
LIMITS = st.builds(
    Limit,
    st.sampled_from(SELECTORS),
    st.sampled_from(["minAvailable", "maxUnavailable"]),
    st.integers(0, 6) | st.integers(0, 100).map(lambda percent: f"{percent}%"),
    st.sampled_from([None, "IfHealthyBudget", "AlwaysAllow"]),
)


class Place:
    """A namespace of one example."""

    def __init__(self, api: Api, name: str) -> None:
        self.api = api
        self.name = name

    def path(self, kind: str) -> str:
        entry = WORKLOAD_KINDS[kind]
        group = f"/apis/{entry.api_version}" if entry.group else f"/api/{entry.version}"
        return f"{group}/namespaces/{self.name}/{entry.resource}"

    @property
    def budgets(self) -> str:
        return f"/apis/policy/v1/namespaces/{self.name}/poddisruptionbudgets"

    def listed(self, kind: str) -> list[dict[str, Any]]:
        entry = WORKLOAD_KINDS[kind]
        items = self.api.get(self.path(kind)).get("items") or []
        return [{"apiVersion": entry.api_version, "kind": kind, **item} for item in items]

    def pods(self, app: str) -> list[dict[str, Any]]:
        return [pod for pod in self.listed("Pod") if pod["metadata"]["labels"].get("app") == app]

    def evict(self, pod: str) -> int:
        """The status of a dry run, which takes the same way up to what it would write."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": self.name}}
        try:
            self.api.create(f"{self.path('Pod')}/{pod}/eviction?dryRun=All", body)
        except ApiError as error:
            return error.status
        return Eviction.ALLOWED.value


@contextmanager
def a_place(world: EmbeddedWorld) -> Iterator[Place]:
    api = Api.connect(world.cluster.kubeconfig)
    name = f"disruption-{uuid.uuid4().hex[:8]}"
    api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield Place(api, name)
    finally:
        api.delete(f"/api/v1/namespaces/{name}")


def written(namespace: str, app: str, wanted: Wanted) -> dict[str, Any]:
    labels = {"app": app, **dict(wanted.labels)}
    annotations = {} if wanted.ready else {NEVER_READY: "true"}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {"app": app}},
        "template": {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": {"containers": [{"name": "app", "image": f"{manifests.IMAGE}:1"}]},
        },
    }
    if wanted.kind != "DaemonSet":
        spec["replicas"] = wanted.replicas
    if wanted.kind == "StatefulSet":
        spec |= {"serviceName": app, "podManagementPolicy": "Parallel"}
    return {
        "apiVersion": "apps/v1",
        "kind": wanted.kind,
        "metadata": {"name": app, "namespace": namespace},
        "spec": spec,
    }


def budget(namespace: str, name: str, limit: Limit) -> dict[str, Any]:
    spec = {"selector": limit.selector, limit.field: limit.value}
    if limit.unhealthy is not None:
        spec["unhealthyPodEvictionPolicy"] = limit.unhealthy
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


def is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def settled(place: Place, workloads: Mapping[str, Wanted], nodes: int) -> bool:
    """Whether all pods run, and are ready or not as they shall be."""
    pods = place.listed("Pod")
    for app, wanted in workloads.items():
        mine = [pod for pod in pods if pod["metadata"]["labels"].get("app") == app]
        expected = nodes if wanted.kind == "DaemonSet" else wanted.replicas
        running = [pod for pod in mine if pod["status"].get("phase") == "Running" and is_ready(pod) is wanted.ready]
        if len(mine) != expected or len(running) != expected:
            return False
    daemons = place.listed("DaemonSet")
    return all(daemon["status"].get("desiredNumberScheduled") == nodes for daemon in daemons)


def seen(place: Place) -> State:
    """What a decision would know of the place: workloads and budgets, no pods."""
    kinds = ("Deployment", "StatefulSet", "DaemonSet")
    stored = [*(workload for kind in kinds for workload in place.listed(kind))]
    budgets = [{"kind": "PodDisruptionBudget", **item} for item in place.api.get(place.budgets)["items"]]
    return picture([*stored, *budgets])


def computed(found: Budget, state: State, workloads: Mapping[str, Wanted]) -> Allowance:
    """What the function says, told how many pods there are and are ready."""
    pods = healthy = 0
    for workload in state.in_namespace(found.namespace):
        if found.selects(workload.template_labels):
            (controller,) = controllers_of(found, single(state, workload))
            pods += controller.replicas
            healthy += controller.replicas if workloads[workload.name].ready else 0
    return disruptions_allowed(found, controllers_of(found, state), healthy, pods)


def single(state: State, workload: Workload) -> State:
    """The same place with no workload but this one."""
    key = (workload.kind, workload.namespace, workload.name)
    budgets = {workload.namespace: tuple(state.budgets(workload.namespace))}
    return State(workloads_in={workload.namespace: {key: workload.raw}}, budgets_in=budgets)


def told(place: Place, name: str) -> Allowance | None:
    """What the disruption controller has written down; None until it has."""
    stored = place.api.get(f"{place.budgets}/{name}")
    status = stored.get("status", {})
    conditions = status.get("conditions") or []
    failed = next((c["message"] for c in conditions if c["reason"] == "SyncFailed"), None)
    if failed is not None:
        return Allowance(status["disruptionsAllowed"], 0, 0, 0, failed)
    if status.get("observedGeneration") != stored["metadata"]["generation"]:
        return None
    return Allowance(
        status["disruptionsAllowed"], status["currentHealthy"], status["desiredHealthy"], status["expectedPods"]
    )


def comparable(allowance: Allowance | None) -> tuple[Any, ...] | None:
    """Without the words; of what cannot be computed only that it allows nothing."""
    if allowance is None or allowance.reason is not None:
        return None if allowance is None else (allowance.allowed, "cannot be computed")
    return (allowance.allowed, allowance.healthy, allowance.desired_healthy, allowance.expected_pods)


@LIVE
@example([Wanted("Deployment", 3)], [Limit({"matchLabels": {"app": "w0"}}, "minAvailable", "67%")])
@example([Wanted("Deployment", 3)], [Limit({"matchLabels": {"app": "w0"}}, "maxUnavailable", 1)])
@example(
    [Wanted("Deployment", 3), Wanted("StatefulSet", 1, ready=False), Wanted("DaemonSet", 0)],
    [Limit({}, "minAvailable", 9, "AlwaysAllow")],
)
@example([Wanted("Deployment", 2, ready=False)], [Limit({}, "maxUnavailable", "100%", "IfHealthyBudget")])
@example([Wanted("Deployment", 2, ready=False)], [Limit({}, "maxUnavailable", 0, "AlwaysAllow")])
@example(
    [Wanted("Deployment", 3, (("team", "core"),)), Wanted("StatefulSet", 2, (("team", "core"),), ready=False)],
    [Limit({"matchLabels": {"team": "core"}}, "minAvailable", 3)],
)
@example(
    [Wanted("Deployment", 2), Wanted("DaemonSet", 0)],
    [
        Limit({"matchLabels": {"app": "w1"}}, "maxUnavailable", "50%"),
        Limit({"matchLabels": {"app": "w0"}}, "minAvailable", 1),
    ],
)
@given(WORKLOADS, st.lists(LIMITS, min_size=1, max_size=2))
def test_the_function_computes_what_the_controller_and_the_eviction_api_do(
    world: EmbeddedWorld, wanted: list[Wanted], limits: list[Limit]
) -> None:
    with a_place(world) as place:
        workloads = {f"w{index}": each for index, each in enumerate(wanted)}
        for app, each in workloads.items():
            place.api.create(place.path(each.kind), written(place.name, app, each))
        nodes = len(place.api.get("/api/v1/nodes")["items"])
        assert poll(lambda: settled(place, workloads, nodes), SECONDS), "the pods do not run"
        # Only now, so that the controller never computes a budget by half of the pods.
        for index, limit in enumerate(limits):
            place.api.create(place.budgets, budget(place.name, f"b{index}", limit))

        state = seen(place)
        budgets = [(found, computed(found, state, workloads)) for found in state.budgets(place.name)]
        assert len(budgets) == len(limits)
        for found, allowance in budgets:
            poll(lambda f=found, a=allowance: comparable(told(place, f.name)) == comparable(a), SECONDS)  # type: ignore[misc]
            assert comparable(told(place, found.name)) == comparable(allowance), (found, told(place, found.name))

        for app, each in workloads.items():
            for pod in place.pods(app)[:1]:
                (workload,) = (w for w in state.in_namespace(place.name) if w.name == app)
                covering = [(b, a) for b, a in budgets if b.selects(workload.template_labels)]
                answer = Eviction(place.evict(pod["metadata"]["name"]))
                assert answer is eviction(covering, ready=each.ready), (app, covering)


def test_a_budget_of_ours_that_somebody_turned_around_is_made_anew(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    turned = '{"spec":{"maxUnavailable":null,"minAvailable":1}}'
    with world.in_force(maintained(namespace)):
        world.until("there is a budget", lambda: made(world, namespace) is not None)
        world.ok("patch", "pdb", MADE, "-n", namespace, "--type=merge", "-p", turned, *CLEANER)
        world.until(
            "it is as it was", lambda: (made(world, namespace) or {"spec": {}})["spec"].get("maxUnavailable") == 1
        )
