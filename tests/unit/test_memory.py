"""Objects of a megabyte: what is kept of them in memory is bounded, and decides what the whole object would have decided."""

import copy
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.cluster.watched import trim_watched
from tierguard.guard.freezes.compiled import compile_policy
from tierguard.guard.model.digest import LARGEST_WHOLE
from tierguard.guard.model.objects import labels
from tierguard.guard.model.state import State
from tierguard.guard.model.template import template_hash
from tierguard.guard.model.workload import Workload
from tierguard.guard.survey import survey
from tierguard.guard.tiers.neighbours import Neighbours

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PLACE = "payments"
Document = dict[str, Any]
MIB = 1024 * 1024
KEPT = 128 * 1024
"""Bytes of Python objects that are kept of one object, at most: of a megabyte of JSON they are often ten times as many."""


def beside(workload: Workload) -> Neighbours:
    """The namespace with nothing but `workload` in it."""
    key = (workload.kind, workload.namespace, workload.name)
    state = State(workloads_in={workload.namespace: {key: workload.raw}})
    return Neighbours(workload.namespace, {"tierguard.io/tier": "1"}, state)


def core() -> Document:
    made = manifests.deployment(PLACE)
    made["metadata"] |= {"uid": "u", "annotations": {"tierguard.io/depends-on": "ledger-db"}}
    return made


def pod(document: Document) -> Document:
    template: Document = document["spec"].get("jobTemplate", document)["spec"]["template"]
    return template


def container(document: Document) -> Document:
    found: Document = pod(document)["spec"]["containers"][0]
    return found


def long_text(document: Document) -> None:
    container(document)["args"] = ["x" * MIB]


def many_arguments(document: Document) -> None:
    container(document)["command"] = [f"--{number}" for number in range(50_000)]


def many_variables(document: Document) -> None:
    container(document)["env"] = [{"name": f"V{number}", "value": str(number)} for number in range(20_000)]


def many_containers(document: Document) -> None:
    pod(document)["spec"]["containers"] += [{"name": f"c{number}", "image": "x"} for number in range(20_000)]


def many_volumes(document: Document) -> None:
    pod(document)["spec"]["volumes"] = [{"name": f"v{number}", "emptyDir": {}} for number in range(20_000)]


def many_tolerations(document: Document) -> None:
    pod(document)["spec"]["tolerations"] = [{"key": f"k{number}", "operator": "Exists"} for number in range(20_000)]


def wide_affinity(document: Document) -> None:
    values = [f"node-{number}" for number in range(50_000)]
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": values}]}
    required = {"nodeSelectorTerms": [term]}
    pod(document)["spec"]["affinity"] = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required},
    }


def wide_node_selector(document: Document) -> None:
    pod(document)["spec"]["nodeSelector"] = {f"key-{number}": "x" for number in range(20_000)}


def wide_probe(document: Document) -> None:
    headers = [{"name": f"h{number}", "value": "x"} for number in range(20_000)]
    container(document)["livenessProbe"] = {"httpGet": {"path": "/livez", "port": 80, "httpHeaders": headers}}


def pod_annotations(document: Document) -> None:
    pod(document)["metadata"]["annotations"] = {f"example.com/{number}": "x" * 100 for number in range(2_000)}


def annotations(document: Document) -> None:
    document["metadata"]["annotations"] |= {f"example.com/{number}": "x" * 100 for number in range(2_000)}
    document["metadata"]["annotations"] |= {f"evidence.tierguard.io/{number}": "x" * 100 for number in range(2_000)}


def owners(document: Document) -> None:
    document["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": f"n{number}", "uid": str(number)} for number in range(10_000)
    ]


def writers(document: Document) -> None:
    owned: Document = {f'k:{{"name":"V{number}"}}': {".": {}, "f:name": {}} for number in range(20_000)}
    fields = {"f:spec": {"f:template": {"f:spec": {"f:containers": owned}}}}
    document["metadata"]["managedFields"] = [
        {"manager": "kubectl", "operation": "Update", "time": "2026-11-21T00:00:00Z", "fieldsV1": fields}
    ]


def selector(document: Document) -> None:
    document["spec"]["selector"]["matchExpressions"] = [
        {"key": "app", "operator": "NotIn", "values": [f"v{number}" for number in range(50_000)]}
    ]


def marks_and_conditions(document: Document) -> None:
    document["status"] = {"conditions": [{"type": f"T{number}", "message": "x" * 100} for number in range(10_000)]}


WIDE = (
    *(long_text, many_arguments, many_variables, many_containers, many_volumes, many_tolerations, wide_affinity),
    *(wide_node_selector, wide_probe, pod_annotations, annotations, owners, writers, selector, marks_and_conditions),
)
IN_TEMPLATES = tuple(
    shape for shape in WIDE if shape not in (annotations, owners, writers, selector, marks_and_conditions)
)


def cron_job() -> Document:
    spec = {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": core()["spec"]["template"]}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": core()["metadata"], "spec": spec}


def around() -> Iterator[tuple[str, Document]]:
    """Large objects of the other kinds that are watched."""
    many = [f"v{number}" for number in range(50_000)]
    wide = {"matchExpressions": [{"key": "app", "operator": "In", "values": many}]}
    metadata = {"name": "core", "namespace": PLACE, "annotations": {f"example.com/{n}": "x" * 50 for n in range(4_000)}}
    made: dict[str, tuple[str, Document]] = {
        "NetworkPolicy": ("networking.k8s.io/v1", {"podSelector": {}, "ingress": [{"from": [{"podSelector": wide}]}]}),
        "PodDisruptionBudget": ("policy/v1", {"maxUnavailable": 1, "selector": wide}),
        "HorizontalPodAutoscaler": (
            "autoscaling/v2",
            {
                "scaleTargetRef": {"kind": "Deployment", "name": "payment-core"},
                "maxReplicas": 5,
                "metrics": [{"type": "External", "external": {"metric": {"selector": wide}}}],
            },
        ),
        "Service": ("v1", {"selector": {"app": "core"}, "externalIPs": many}),
        "Namespace": ("v1", {"finalizers": many}),
        "Job": ("batch/v1", {"template": {"metadata": metadata}}),
    }
    for kind, (version, spec) in made.items():
        yield kind, {"apiVersion": version, "kind": kind, "metadata": copy.deepcopy(metadata), "spec": spec}
    fields: Document = {"f:data": {f"f:key-{number}": {} for number in range(20_000)}}
    partial: Document = {
        "kind": "PartialObjectMetadata",
        "metadata": {**metadata, "managedFields": [{"fieldsV1": fields}]},
    }
    partial["metadata"]["annotations"] = {f"tierguard.io/{number}": "x" * 100 for number in range(2_000)}
    yield "ConfigMap", partial


def watched(document: Document, *, status: bool = True) -> Document:
    """What the operator, or the webhook, keeps of `document`."""
    found: Any = trim_watched(json.loads(json.dumps(document)), status=status)
    return dict(found)


def size(node: Any) -> int:
    """Bytes of `node` and all that is in it."""
    if isinstance(node, dict):
        return sys.getsizeof(node) + sum(size(key) + size(value) for key, value in node.items())
    if isinstance(node, list):
        return sys.getsizeof(node) + sum(map(size, node))
    return sys.getsizeof(node)


def large(make: Callable[[], Document], *shapes: Callable[[Document], None]) -> Document:
    document = make()
    for shape in shapes:
        shape(document)
    return document


@pytest.mark.parametrize("status", [True, False], ids=["operator", "webhook"])
@pytest.mark.parametrize("shape", WIDE, ids=lambda shape: shape.__name__)
def test_a_workload_of_a_megabyte_takes_little_memory(shape: Callable[[Document], None], status: bool) -> None:
    document = large(core, shape)
    assert len(json.dumps(document)) > 4 * LARGEST_WHOLE
    assert size(watched(document, status=status)) < KEPT


def test_one_that_is_large_in_every_way_takes_little_memory_too() -> None:
    assert size(watched(large(core, *WIDE))) < 4 * KEPT
    assert size(watched(large(cron_job, *IN_TEMPLATES))) < 4 * KEPT


@pytest.mark.parametrize(("kind", "document"), tuple(around()), ids=[kind for kind, _ in around()])
def test_what_is_around_workloads_takes_little_memory(kind: str, document: Document) -> None:
    assert kind
    assert size(watched(document)) < KEPT


def test_an_ordinary_workload_is_kept_as_it_is() -> None:
    document = core()
    assert watched(document)["spec"] == document["spec"]
    assert watched(document, status=False)["metadata"] == document["metadata"]


@pytest.mark.parametrize("make", [core, cron_job], ids=lambda make: make.__name__)
@pytest.mark.parametrize("shape", IN_TEMPLATES, ids=lambda shape: shape.__name__)
def test_a_watched_template_has_the_hash_of_the_reviewed_one(
    make: Callable[[], Document], shape: Callable[[Document], None]
) -> None:
    reviewed = large(make, shape)
    kept = watched(reviewed)
    assert template_hash(pod(kept)) == template_hash(pod(reviewed))
    assert template_hash(pod(watched(kept))) == template_hash(pod(reviewed)), "cut again it is the same"
    other = copy.deepcopy(reviewed)
    container(other)["image"] = "registry.example.com/core:evil"
    assert template_hash(pod(watched(other))) != template_hash(pod(kept))


def test_the_hash_of_an_ordinary_template_is_what_it_was_before_templates_were_cut() -> None:
    """What the rollback record has stays good."""
    assert template_hash(core()["spec"]["template"]) == "a0d9f0f1c2876c11f9aac5c00fd61bf6"


def test_a_restart_of_a_large_template_has_the_hash_of_before() -> None:
    before = large(core, pod_annotations)
    after = copy.deepcopy(before)
    pod(after)["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = "2026-11-21T00:00:00Z"
    assert template_hash(pod(watched(after))) == template_hash(pod(before)) == template_hash(pod(watched(before)))
    assert pod(watched(after))["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"]


def read_much(document: Document) -> None:
    many_variables(document)
    container(document)["env"] += [
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "limits", "key": "k"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}},
    ]
    container(document)["envFrom"] = [{"configMapRef": {"name": f"c{number}"}} for number in range(100)]
    pod(document)["spec"]["volumes"] = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "ledger"}},
        {"name": "all", "projected": {"sources": [{"secret": {"name": "projected"}}]}},
    ]


def test_a_large_workload_reads_and_claims_what_it_did() -> None:
    whole, kept = Workload.of(large(core, read_much)), Workload.of(watched(large(core, read_much)))
    assert whole is not None
    assert kept is not None
    assert kept.references == whole.references
    assert len(kept.references) == 104  # the ServiceAccount too
    assert kept.claims == whole.claims == {"ledger"}


def test_one_that_reads_more_than_is_kept_counts_as_reading_everything() -> None:
    document = core()
    container(document)["envFrom"] = [{"configMapRef": {"name": f"{number:06}" * 20}} for number in range(5_000)]
    kept = watched(document)
    assert size(kept) < KEPT
    workload = Workload.of(kept)
    assert workload is not None
    assert beside(workload).readers("ConfigMap", "limits")
    assert beside(workload).readers("Secret", "keys")
    assert beside(workload).users_of_claim("ledger")


def test_the_claims_of_a_large_stateful_set_are_still_its_own() -> None:
    document = manifests.stateful_set(PLACE)
    document["spec"]["volumeClaimTemplates"] = [
        {"metadata": {"name": "data", "annotations": {"note": "x" * MIB}}, "spec": {}},
    ]
    workload = Workload.of(watched(document))
    assert workload is not None
    assert beside(workload).users_of_claim(f"data-{workload.name}-0")
    assert not beside(workload).users_of_claim(f"other-{workload.name}-0")


def hidden_secret(document: Document) -> None:
    many_variables(document)
    container(document)["env"] += [{"name": "NOTE", "value": "-----BEGIN RSA PRIVATE KEY-----" + "A" * 3000}]


def hidden_address(document: Document) -> None:
    many_variables(document)
    container(document)["env"] += [{"name": "DB", "value": "postgres://core:hunter2@db/" + "x" * 3000}]


def hidden_reference(document: Document) -> None:
    many_variables(document)
    container(document)["env"] += [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}]


def secret_in_the_last_container(document: Document) -> None:
    many_containers(document)
    pod(document)["spec"]["containers"][-1]["env"] = [{"name": "PASSWORD", "value": "hunter2"}]


def numbers_and_paths(document: Document) -> None:
    """Nothing in it is a secret, whatever its names."""
    many_variables(document)
    container(document)["env"] += [
        {"name": "TOKEN", "value": "0" * 5000},
        {"name": "SECRET", "value": "$(OTHER)" * 500},
        {"name": "PASSWORD_FILE", "value": "/x" * 5000},
    ]


RULES: Document = {
    "secrets": {},
    "images": {"pinning": "Digest"},
    "resources": {},
    "probes": {"distinct": True, "livenessToleranceSeconds": 60},
    "termination": {"gracePeriodSeconds": 60},
    "topologySpread": {},
    "priority": {"classNames": ["payments"]},
    "dependencies": {"lowestTier": 1},
}
LARGE = (
    *IN_TEMPLATES,
    *(annotations, selector),
    *(hidden_secret, hidden_address, hidden_reference, secret_in_the_last_container, numbers_and_paths, read_much),
)


def broken(document: Document) -> set[tuple[str, str]]:
    """Rule and reason of all that the scan says about `document`."""
    policy = manifests.policy("tier-1", RULES)
    policy["spec"]["scope"] = {}
    state = State(policies=(compile_policy(policy),), namespaces={PLACE: {}})
    assert state.policies[0].spec is not None, state.policies[0]
    key = (document["kind"], PLACE, document["metadata"]["name"])
    state.workloads_in[PLACE] = {key: document}
    return {(found.rule, found.reason) for subject in survey(state, NOW) for found in subject.findings}


def well() -> Document:
    """A Deployment that breaks no rule but that it depends on what is not there."""
    made = core()
    container(made)["image"] = manifests.PINNED
    container(made)["resources"] = {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }
    container(made)["readinessProbe"] = {"httpGet": {"path": "/readyz", "port": 80}}
    container(made)["livenessProbe"] = {"httpGet": {"path": "/livez", "port": 80}, "failureThreshold": 9}
    pod(made)["spec"] |= {
        "priorityClassName": "payments",
        "terminationGracePeriodSeconds": 90,
        "topologySpreadConstraints": [
            {
                "topologyKey": "topology.kubernetes.io/zone",
                "maxSkew": 1,
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": labels(pod(made))},
            }
        ],
    }
    return made


@pytest.mark.parametrize("shape", LARGE, ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("make", [well, core], ids=lambda make: make.__name__)
def test_the_scan_says_of_a_large_workload_what_it_would_say_of_the_whole_one(
    make: Callable[[], Document], shape: Callable[[Document], None]
) -> None:
    document = large(make, shape)
    whole, kept = broken(document), broken(watched(document))
    assert ("dependencies", "UnknownDependency") in whole
    assert kept == whole


def test_a_workload_of_twenty_thousand_containers_is_judged_in_a_second() -> None:
    document = large(core, many_containers)
    began = time.thread_time()
    broken(document)
    taken = time.thread_time() - began
    print(f"20,000 containers: {taken:.2f} s")
    assert taken < 1.0


def test_rules_find_what_is_wrong_with_the_last_of_very_many_containers() -> None:
    document = well()
    sound = container(document)
    pod(document)["spec"]["containers"] += [{**sound, "name": f"c{number}"} for number in range(3_000)]
    before = broken(document)
    assert not any(rule in ("images", "resources", "probes") for rule, _ in before)
    del pod(document)["spec"]["containers"][-1]["image"]
    assert broken(document) > before
    assert broken(watched(document)) >= broken(document), "what is not kept is not taken for sound"
