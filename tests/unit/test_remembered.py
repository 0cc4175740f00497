"""What is remembered of parts of objects changes no verdict: each input is changed in turn, and a fresh process asked."""

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.e2e import manifests
from tests.unit.reviews import OPEN, PLACE, Application, Document, encoded, review
from tierguard.guard.model.memory import LONGEST, MEMORIES, Memory
from tierguard.guard.model.pod import POD_SPEC
from tierguard.guard.model.shape import Part
from tierguard.guard.model.workload import Workload
from tierguard.guard.resources.workload_change import only_template, template_alone, what_it_does
from tierguard.guard.tiers.classify import stand
from tierguard.webhook.review import change_of, decode

Container = dict[str, Any]
DIGEST = "sha256:" + "a" * 64
RULES: Document = manifests.ALL_RULES | {
    "disruptionBudget": {"mode": "Require"},
    "images": {"registries": ["registry.example.com"], "pinning": "Digest"},
    "dependencies": {"lowestTier": 1},
    "evidence": {"annotations": ["approval"]},
}


def sound(release: int = 0) -> Document:
    """A Deployment that breaks no rule, as release `release` of it."""
    made = manifests.deployment(PLACE)
    made["metadata"] |= {"uid": "uid-core", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    made["metadata"]["annotations"] = {
        "evidence.tierguard.io/approval": f"CAB-{release}",
        "evidence.tierguard.io/images": DIGEST,
        "tierguard.io/depends-on": "ledger-db",
    }
    made["spec"] |= {"minReadySeconds": 10, "revisionHistoryLimit": 10}
    pod = made["spec"]["template"]["spec"]
    pod |= {"priorityClassName": "payments", "terminationGracePeriodSeconds": 60, "serviceAccountName": "core"}
    pod["containers"][0] |= {
        "image": f"registry.example.com/core@{DIGEST}",
        "env": [{"name": "RELEASE", "value": str(release)}, {"name": "MODE", "value": "live"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
        "livenessProbe": {"httpGet": {"path": "/live", "port": "http"}, "periodSeconds": 10, "failureThreshold": 6},
        "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
    }
    return made


def around() -> list[Document]:
    """What is around it, each stored."""
    policy = manifests.policy("keep", RULES)
    isolated = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "all", "namespace": PLACE},
        "spec": {"podSelector": {}},
    }
    ledger = manifests.stateful_set(PLACE)
    ledger["metadata"]["uid"] = "uid-ledger"
    budget = manifests.budget(PLACE, maxUnavailable=1, unhealthyPodEvictionPolicy="AlwaysAllow")
    return [policy, isolated, ledger, budget, sound()]


NAMESPACE: Document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE, "labels": {"team": "core"}}}


def application(known: list[Document]) -> Application:
    stored = [copy.deepcopy(obj) for obj in (NAMESPACE, *known)]
    for number, obj in enumerate(stored):
        common = {"uid": f"uid-{number}", "generation": number + 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
        obj["metadata"] = common | obj["metadata"]
    return Application(OPEN, (), rights=True, there=tuple(stored))


def told(app: Application, old: Document, new: Document) -> Document:
    return app.ask(encoded(review(old, new))).response


def pod(workload: Document) -> Document:
    found: Document = workload["spec"]["template"]["spec"]
    return found


def first(workload: Document) -> Container:
    found: Container = pod(workload)["containers"][0]
    return found


def put(**fields: Any) -> Callable[[Document], None]:
    return lambda workload: first(workload).update(fields)


def put_pod(**fields: Any) -> Callable[[Document], None]:
    return lambda workload: pod(workload).update(fields)


def put_spec(**fields: Any) -> Callable[[Document], None]:
    return lambda workload: workload["spec"].update(fields)


def annotate(**values: str) -> Callable[[Document], None]:
    return lambda workload: workload["metadata"]["annotations"].update(values)


PROBE = {"httpGet": {"path": "/live", "port": "http"}, "periodSeconds": 10, "failureThreshold": 6}
ELSEWHERE = {"matchLabels": {"app": "other"}}
BOUND = {
    "requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [
            {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"]}]}
        ]
    }
}

BREAKS: dict[str, Callable[[Document], None]] = {
    "replicas": put_spec(replicas=2),
    "minReadySeconds": put_spec(minReadySeconds=1),
    "revisionHistoryLimit": put_spec(revisionHistoryLimit=1),
    "strategy": put_spec(strategy={"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}),
    "priority": put_pod(priorityClassName="batch"),
    "grace period": put_pod(terminationGracePeriodSeconds=5),
    "host network": put_pod(hostNetwork=True),
    "spread": put_pod(topologySpreadConstraints=[]),
    "node selector": put_pod(nodeSelector={"topology.kubernetes.io/zone": "a"}),
    "affinity": put_pod(affinity={"nodeAffinity": BOUND}),
    "another container": lambda w: pod(w)["containers"].append({"name": "more", "image": "more:1"}),
    "an init container": lambda w: pod(w).update(initContainers=[{"name": "init", "image": f"init@{DIGEST}"}]),
    "a sidecar": lambda w: pod(w).update(
        initContainers=[{**first(w), "name": "side", "restartPolicy": "Always"} | {"livenessProbe": None}]
    ),
    "image": put(image="registry.example.com/core:1"),
    "registry": put(image=f"docker.io/core@{DIGEST}"),
    "resources": put(resources={"requests": {"cpu": "1"}}),
    "readiness": put(readinessProbe=None),
    "liveness": put(livenessProbe={**PROBE, "failureThreshold": 1}),
    "path": put(livenessProbe={**PROBE, "httpGet": {"path": "/health", "port": "http"}}),
    "ports": lambda w: first(w).update(
        ports=[{"name": "http", "containerPort": 1}],
        readinessProbe={"httpGet": {"path": "/live", "port": 1}},
    ),
    "lifecycle": put(lifecycle={"preStop": {"sleep": {"seconds": 90}}}),
    "startup": put(startupProbe={**PROBE, "terminationGracePeriodSeconds": 1}),
    "environment": put(env=[{"name": "PASSWORD", "value": "x"}]),
    "one variable twice": put(env=[{"name": "MODE", "value": "a://b:c@d"}, {"name": "MODE", "value": "live"}]),
    "environment from": put(envFrom=[{"secretRef": {"name": "keys"}}]),
    "pods' labels": lambda w: w["spec"]["template"]["metadata"].update(
        labels={"app": "other", "tierguard.io/tier": "1"}
    ),
    "approval": annotate(**{"evidence.tierguard.io/approval": ""}),
    "images that were approved": annotate(**{"evidence.tierguard.io/images": "sha256:" + "b" * 64}),
    "dependency": annotate(**{"tierguard.io/depends-on": "nobody"}),
    "tier": lambda w: w["metadata"]["labels"].update({"tierguard.io/tier": "9"}),
}


@pytest.fixture(scope="module")
def warm() -> Application:
    """A process that has seen several sound releases."""
    made = application(around())
    for release in range(1, 4):
        assert told(made, sound(release - 1), sound(release)) == told(made, sound(release - 1), sound(release))
        assert told(made, sound(release - 1), sound(release))["allowed"], told(made, sound(release - 1), sound(release))
    return made


def forgotten() -> None:
    for memory in MEMORIES:
        memory.clear()


@pytest.mark.parametrize("name", BREAKS)
def test_a_change_of_any_part_gets_the_verdict_of_a_process_that_remembers_nothing(
    name: str, warm: Application
) -> None:
    old, new = sound(1), sound(2)
    BREAKS[name](new)
    known = told(warm, old, new)
    again = told(warm, old, new)
    mended = told(warm, old, sound(2))
    forgotten()
    fresh = told(application(around()), old, new)
    assert known == again == fresh
    assert mended["allowed"]
    assert "warnings" not in mended
    assert not fresh["allowed"] or fresh.get("warnings"), "the change breaks something, or this test shows nothing"


def looser(policy: Document, **rules: Any) -> Document:
    made = copy.deepcopy(policy)
    made["metadata"] |= {"generation": 99, "resourceVersion": "99"}
    made["spec"]["rules"] |= rules
    return made


def told_of(obj: Document) -> Document:
    made = copy.deepcopy(obj)
    made["metadata"] = {"uid": "uid-told", "generation": 7, "resourceVersion": "7"} | made["metadata"]
    return made


SCALED = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "core", "namespace": PLACE},
    "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "payment-core"}, "minReplicas": 1, "maxReplicas": 9},
}
LEDGER = next(obj for obj in around() if obj["kind"] == "StatefulSet")
POLICY, ISOLATED, BUDGET = (
    next(obj for obj in around() if obj["kind"] == kind)
    for kind in ("PaymentTierPolicy", "NetworkPolicy", "PodDisruptionBudget")
)
STATEFUL = {**LEDGER, "metadata": {**LEDGER["metadata"], "labels": {"app": "ledger-db", "tierguard.io/tier": "3"}}}
STATEFUL["spec"] = copy.deepcopy(LEDGER["spec"])
STATEFUL["spec"]["template"]["metadata"]["labels"] = {"app": "ledger-db", "tierguard.io/tier": "3"}
SURROUNDINGS: dict[str, Document] = {
    "a stricter policy": looser(POLICY, replicas={"minimum": 5}),
    "another priority": looser(POLICY, priority={"classNames": ["critical"]}),
    "longer grace": looser(POLICY, termination={"gracePeriodSeconds": 120}),
    "other registries": looser(POLICY, images={"registries": ["docker.io"]}),
    "other evidence": looser(POLICY, evidence={"annotations": ["approval", "drill"]}),
    "a budget that blocks": told_of(BUDGET | {"spec": {**BUDGET["spec"], "maxUnavailable": 0}}),
    "a second budget": told_of(BUDGET | {"metadata": {"name": "second", "namespace": PLACE}}),
    "an autoscaler": told_of(SCALED),
    "a dependency of a lower tier": told_of(STATEFUL),
    "isolation of others": told_of(ISOLATED | {"spec": {"podSelector": ELSEWHERE}}),
    "a freeze": told_of(manifests.freeze("now", startsAt="2026-01-01T00:00:00Z", scope={"tiers": [1]})),
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_a_change_of_what_is_around_gets_the_verdict_of_a_process_that_remembers_nothing(name: str) -> None:
    old, new = sound(1), sound(2)
    warm = application(around())
    assert told(warm, old, new)["allowed"]
    assert told(warm, old, new) == told(warm, old, new)
    changed = SURROUNDINGS[name]
    warm.learn(changed)
    known = told(warm, old, new)
    forgotten()
    same = [
        obj
        for obj in around()
        if (obj["kind"], obj["metadata"]["name"]) != (changed["kind"], changed["metadata"]["name"])
    ]
    fresh = told(application([*same, changed]), old, new)
    assert known == fresh
    assert not fresh["allowed"] or fresh.get("warnings"), "the change breaks something, or this test shows nothing"


def test_a_memory_is_bounded_and_keeps_what_is_asked_for() -> None:
    memory: Memory[int] = Memory("test", 64 * 1024)
    try:
        memory.put(b"often", 1)
        for number in range(10_000):
            memory.put(f"seldom {number}".encode(), number)
            assert memory.get(b"often") == 1
        assert memory.bytes <= 64 * 1024
        assert memory.get(b"seldom 1") is None
        memory.put(b"x" * (LONGEST + 1), 2)
        assert memory.get(b"x" * (LONGEST + 1)) is None
        assert (memory.hits, memory.misses) == (10_000, 2)
    finally:
        MEMORIES.remove(memory)


def test_a_part_that_is_misshapen_counts_as_absent_where_it_is() -> None:
    part: Part[tuple[dict[str, Any], ...]] = Part("test", tuple[dict[str, Any], ...])
    try:
        assert part.of(msgspec.Raw(b'[{"a": 1}, 3, "x", {"b": 2}]')) == ({"a": 1}, {"b": 2})
        assert part.of(msgspec.Raw(b"null")) == part.of(msgspec.Raw(b"")) == part.of(msgspec.Raw(b"7")) == ()
    finally:
        MEMORIES[:] = [memory for memory in MEMORIES if memory.name != "test"]
    found = POD_SPEC.of({"containers": [{"name": "a", "env": [{"name": "x", "value": "1"}, 3]}, 7], "volumes": "none"})
    assert [variable.name for variable in found.containers[0].env] == ["x"]
    assert found.volumes == ()
    assert len(found.containers) == 1


def test_the_metrics_tell_what_is_remembered(warm: Application) -> None:
    told(warm, sound(1), sound(2))
    text = warm.scrape()
    assert 'tierguard_memory_lookups_total{part="template",result="known"}' in text
    assert 'tierguard_memory_bytes{part="template"}' in text


@pytest.mark.parametrize("name", [*BREAKS, "nothing", "image alone"])
def test_what_only_changes_the_template_is_that_to_the_whole_question_too(name: str, warm: Application) -> None:
    before, after = sound(1), sound(1)
    if name == "image alone":
        put(image=f"registry.example.com/core@sha256:{'c' * 64}")(after)
    elif name != "nothing":
        BREAKS[name](after)
    change = change_of(decode(encoded(review(before, after))))
    assert change.old is not None
    assert change.new is not None
    old, new = Workload.of(change.old), Workload.of(change.new)
    assert old is not None
    assert new is not None
    state = warm.cache.state
    labels = state.namespaces[PLACE]
    (was, _), (is_, _) = (stand(side, PLACE, labels, state) for side in (old, new))
    whole = what_it_does(change, was, is_, state, None, gained=False)
    if only_template(change, old, new):
        assert template_alone(old, new, state, None) == whole
    else:
        assert name in ("replicas", "minReadySeconds", "revisionHistoryLimit", "strategy", "pods' labels", "tier")
