"""The rule `topology-spread`, and the counting of where pods are and may go."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierguard.api.rule_values import Unsatisfiable
from tierguard.api.rules import TopologySpreadRule
from tierguard.guard.model.decision import Effect
from tierguard.guard.model.facts import Node, PlacedPod, Taint
from tierguard.guard.model.pod import POD_SPEC, PodSpec
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.rules import Violation
from tierguard.guard.rules import topology as placement
from tierguard.guard.rules.rule import Situation
from tierguard.guard.rules.topology import Domain, Spread
from tierguard.guard.rules.topology_spread import TopologySpread
from tierguard.guard.tiers.classify import Classified

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"
OWN = {"matchLabels": {"app": "core"}}
BINDING = {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": OWN}
BATCH = Taint("dedicated", "batch", "NoSchedule")

keys = st.sampled_from([ZONE, HOST, "app", "pod-template-hash", "metadata.name"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | keys,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(keys | st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)


def any_of(*fields: str, of: st.SearchStrategy[Any] = anything) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(fields, of | anything))


def several(of: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(of | anything, max_size=3)


requirements = several(
    st.fixed_dictionaries(
        {},
        optional={
            "key": keys | anything,
            "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]) | anything,
            "values": several(st.sampled_from(["zone-a", "3"])),
        },
    )
)
affinities = any_of(
    "requiredDuringSchedulingIgnoredDuringExecution",
    of=any_of("nodeSelectorTerms", of=several(any_of("matchExpressions", "matchFields", of=requirements))),
)
pod_specs = st.builds(
    lambda *parts: {key: found for part in parts for key, found in part.items()},
    any_of(
        "topologySpreadConstraints", of=several(any_of(*BINDING, "matchLabelKeys", "minDomains", "nodeTaintsPolicy"))
    ),
    any_of("nodeSelector", of=st.dictionaries(keys, anything, max_size=2)),
    any_of("affinity", of=any_of("nodeAffinity", of=affinities)),
    any_of("tolerations", of=several(any_of("key", "operator", "value", "effect"))),
)


def workload(
    pod_spec: Any, kind: str = "Deployment", labels: Any = None, selector: Any = None, namespace: str = "payments"
) -> Workload:
    found = Workload.of(
        {
            "kind": kind,
            "metadata": {"name": "core", "namespace": namespace},
            "spec": {
                "selector": OWN if selector is None else selector,
                "template": {"metadata": {"labels": labels or {"app": "core"}}, "spec": pod_spec},
            },
        }
    )
    assert found is not None
    return found


def spread_by(*constraints: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"topologySpreadConstraints": list(constraints), **fields}


def node(name: str, zone: str, *taints: Taint, schedulable: bool = True, **labels: str) -> Node:
    return Node(name, {ZONE: zone, HOST: name, **labels}, taints, schedulable)


def pod(name: str, on: str, *, ready: bool = True, **labels: str) -> PlacedPod:
    return PlacedPod("payments", name, labels or {"app": "core"}, on, ready)


def world(nodes: list[Node], placed: list[PlacedPod]) -> State:
    return State(nodes={n.name: n for n in nodes}, pods_in={"payments": {p.name: p for p in placed}})


def judged(
    subject: Workload, state: State | None = None, settings: TopologySpreadRule | None = None
) -> list[Violation]:
    situation = Situation(Classified(subject, 1, {}, ()), state or State(), NOW)
    return list(TopologySpread().check(situation, settings or TopologySpreadRule()))


ZONES = [node("a", "zone-a"), node("b", "zone-b"), node("c", "zone-c")]


@given(pod_specs | anything, anything, st.sampled_from(["Deployment", "StatefulSet"]))
def test_whatever_is_written_the_rule_answers(pod_spec: Any, labels: Any, kind: str) -> None:
    nodes = [*ZONES, Node("d", {ZONE: "zone-d", HOST: "d", "app": "3"}, (BATCH,)), Node("e", {})]
    state = world(nodes, [pod("1", "a"), pod("2", "a")])
    settings = TopologySpreadRule(topology_keys=[ZONE, HOST], min_domains=3)
    for violation in judged(workload(pod_spec, kind, labels), state, settings):
        assert violation.about in (ZONE, HOST)
        assert violation.detail.isprintable()


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ({}, True),
        ({"labelSelector": None}, False),
        ({"labelSelector": {}}, False),
        ({"labelSelector": {}, "matchLabelKeys": ["pod-template-hash"]}, True),
        ({"labelSelector": {}, "matchLabelKeys": ["release"]}, False),
        ({"labelSelector": None, "matchLabelKeys": ["app"]}, False),
        ({"matchLabelKeys": ["pod-template-hash"]}, True),
        ({"matchLabelKeys": ["release"]}, True),
        ({"matchLabelKeys": "app"}, True),
        ({"labelSelector": {"matchExpressions": [{"key": "pod-template-hash", "operator": "Exists"}]}}, True),
        ({"labelSelector": {"matchExpressions": [{"key": "pod-template-hash", "operator": "DoesNotExist"}]}}, False),
        ({"labelSelector": {"matchLabels": {"app": "core", "pod-template-hash": "abc"}}}, False),
        ({"labelSelector": {"matchExpressions": [{"key": "app", "operator": "Near"}]}}, False),
    ],
)
def test_a_constraint_counts_the_pods_that_its_selector_and_keys_leave(changed: dict[str, Any], counts: bool) -> None:
    assert placement.spreads({**BINDING, **changed}, workload({})) is counts


@pytest.mark.parametrize("key", ["statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"])
def test_by_a_label_of_each_pod_a_stateful_set_is_not_spread(key: str) -> None:
    constraint = {**BINDING, "matchLabelKeys": [key]}
    assert not placement.spreads(constraint, workload({}, "StatefulSet"))
    assert placement.spreads(constraint, workload({}, "Deployment"))


@pytest.mark.parametrize(
    ("toleration", "bears"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"key": "dedicated", "value": "batch"}, True),
        ({"key": "dedicated", "operator": "Equal", "value": "batch", "effect": "NoSchedule"}, True),
        ({"key": "dedicated", "value": "web"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "dedicated", "operator": "Gt", "value": "0"}, False),
    ],
)
def test_a_taint_keeps_pods_away_that_do_not_tolerate_it(toleration: dict[str, str], bears: bool) -> None:
    assert placement.tolerated(node("a", "zone-a", BATCH), POD_SPEC.of({"tolerations": [toleration]})) is bears


def test_a_mere_preference_keeps_nobody_away_and_a_cordon_does() -> None:
    assert placement.tolerated(node("a", "zone-a", Taint("dedicated", "batch", "PreferNoSchedule")), PodSpec())
    cordoned = node("a", "zone-a", schedulable=False)
    assert not placement.tolerated(cordoned, PodSpec())
    unminded = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}
    assert placement.tolerated(cordoned, POD_SPEC.of({"tolerations": [unminded]}))


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    needed = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": needed}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("pod_spec", "goes"),
    [
        ({}, True),
        ({"nodeSelector": {ZONE: "zone-a"}}, True),
        ({"nodeSelector": {ZONE: "zone-b"}}, False),
        (required(expression(ZONE, "In", "zone-a", "zone-b")), True),
        (required(expression(ZONE, "NotIn", "zone-a")), False),
        (required(expression("gpu", "NotIn", "yes")), True),
        (required(expression("cores", "Gt", "4")), True),
        (required(expression("cores", "Lt", "4")), False),
        (required(expression("cores", "Gt", "4", "5")), False),
        (required(expression("gpu", "Gt", "4")), False),
        (required(expression("gpu", "DoesNotExist")), True),
        (required(expression("gpu", "Exists")), False),
        (required(expression("gpu", "Exists"), expression(ZONE, "Exists")), True),
        (required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}), True),
        (required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}), False),
        (required(), False),
        (required({}), False),
    ],
)
def test_a_pod_goes_where_its_selector_and_affinity_let_it(pod_spec: dict[str, Any], goes: bool) -> None:
    assert placement.attracts(node("a", "zone-a", cores="8"), POD_SPEC.of(pod_spec)) is goes


@pytest.mark.parametrize(
    ("pod_spec", "domain"),
    [
        ({}, None),
        ({"nodeSelector": {ZONE: "zone-a"}}, "zone-a"),
        (required(expression(ZONE, "In", "zone-a")), "zone-a"),
        (required(expression(ZONE, "In", "zone-a"), expression(ZONE, "In", "zone-b")), None),
        (required(expression(ZONE, "In", "zone-a"), expression("gpu", "Exists")), None),
        (required(expression(ZONE, "NotIn", "zone-a")), None),
    ],
)
def test_a_pod_spec_may_bind_its_pods_to_one_domain(pod_spec: dict[str, Any], domain: str | None) -> None:
    assert placement.confined_to(POD_SPEC.of(pod_spec), ZONE) == domain


@pytest.mark.parametrize(
    ("counts", "least", "skew"),
    [
        ((3, 0, 0), 1, 3),
        ((1, 1, 1), 1, 0),
        ((2, 1, 0), 1, 2),
        ((1, 1, 0), 1, 1),
        ((5,), 1, 0),
        ((2, 2), 3, 2),
        ((), 1, 0),
    ],
)
def test_the_skew_is_between_the_fullest_and_the_emptiest_domain(
    counts: tuple[int, ...], least: int, skew: int
) -> None:
    spread = Spread(ZONE, tuple(Domain(f"zone-{number}", count) for number, count in enumerate(counts)))
    assert spread.skew(least) == skew


def test_a_closed_domain_counts_only_while_pods_are_there() -> None:
    assert Spread(ZONE, (Domain("a", 2), Domain("b", 0, open=False))).skew() == 0
    assert Spread(ZONE, (Domain("a", 3), Domain("b", 1, open=False))).skew() == 2


def test_ready_pods_are_counted_on_the_nodes_that_the_pods_may_mean() -> None:
    nodes = [*ZONES, node("a2", "zone-a", pool="batch"), Node("stray", {})]
    placed = [pod("1", "a"), pod("2", "a2"), pod("3", "b", ready=False), pod("4", "stray"), pod("5", "gone")]
    found = placement.spread(ZONE, POD_SPEC.of(required(expression("pool", "DoesNotExist"))), nodes, placed)
    assert [(domain.name, domain.pods) for domain in found.domains] == [("zone-a", 1), ("zone-b", 0), ("zone-c", 0)]


def test_a_node_without_all_keys_that_bind_is_none_to_the_scheduler() -> None:
    rackless = Node("d", {ZONE: "zone-d"})
    by_host = spread_by(BINDING, {**BINDING, "topologyKey": HOST})
    found, others = (
        placement.spread(ZONE, POD_SPEC.of(each), [*ZONES, rackless], ()) for each in (by_host, spread_by(BINDING))
    )
    assert "zone-d" not in {domain.name for domain in found.domains}
    assert "zone-d" in {domain.name for domain in others.domains}


def test_pods_of_a_workload_are_those_that_its_own_selector_selects_in_its_namespace() -> None:
    state = world(ZONES, [pod("1", "a"), pod("2", "b", app="other")])
    assert [found.name for found in placement.pods_of(workload({}), state)] == ["1"]
    assert placement.pods_of(workload({}, namespace="elsewhere"), state) == ()
    assert placement.pods_of(workload({}, selector="app=core"), state) == ()


def test_what_nodes_make_of_a_sound_constraint_is_only_a_warning() -> None:
    state = world(ZONES, [pod("1", "a"), pod("2", "a"), pod("3", "a")])
    (found,) = judged(workload(spread_by(BINDING)), state)
    assert (found.reason, found.effect, found.about, found.gap) == ("ActualSkew", Effect.WARN, ZONE, 2)
    assert found.detail == "3 pods in zone-a, 0 in zone-b: a skew of 3 over topology.kubernetes.io/zone, 1 allowed"


def test_where_nobody_watches_nodes_no_placement_is_judged() -> None:
    assert judged(workload(spread_by(BINDING)), world([], [pod("1", "a"), pod("2", "a")])) == []


def test_with_fewer_pods_than_domains_an_empty_domain_is_normal() -> None:
    assert judged(workload(spread_by(BINDING)), world(ZONES, [pod("1", "a"), pod("2", "b")])) == []


def test_too_few_domains_count_as_an_empty_one_more() -> None:
    nodes, placed = ZONES[:2], [pod("1", "a"), pod("2", "b"), pod("3", "a"), pod("4", "b")]
    settings = TopologySpreadRule(min_domains=3)
    (found,) = judged(workload(spread_by({**BINDING, "minDomains": 3})), world(nodes, placed), settings)
    assert found.detail.startswith("2 pods in zone-a, of fewer than 3 domains: a skew of 2")


def test_tainted_zones_hold_pods_back_unless_they_are_honoured() -> None:
    state = world([*ZONES, node("d", "zone-d", BATCH)], [])
    (found,) = judged(workload(spread_by(BINDING)), state)
    assert (found.reason, found.effect) == ("IgnoresTaints", Effect.WARN)
    assert judged(workload(spread_by({**BINDING, "nodeTaintsPolicy": "Honor"})), state) == []
    tolerant = spread_by(BINDING, tolerations=[{"operator": "Exists"}])
    assert judged(workload(tolerant), state) == []
    assert judged(workload(spread_by(BINDING)), world([*ZONES, node("c2", "zone-c", BATCH)], [])) == []


def test_zones_outside_the_affinity_hold_pods_back_where_it_is_ignored() -> None:
    two = required(expression(ZONE, "In", "zone-a", "zone-b"))
    assert judged(workload(spread_by(BINDING, **two)), world(ZONES, [])) == []
    ignoring = spread_by({**BINDING, "nodeAffinityPolicy": "Ignore"}, **two)
    assert [found.reason for found in judged(workload(ignoring), world(ZONES, []))] == ["IgnoresAffinity"]


def test_a_wish_holds_no_pods_back() -> None:
    wish = spread_by({**BINDING, "whenUnsatisfiable": "ScheduleAnyway"})
    settings = TopologySpreadRule(when_unsatisfiable=Unsatisfiable.SCHEDULE_ANYWAY)
    assert judged(workload(wish), world([*ZONES, node("d", "zone-d", BATCH)], []), settings) == []


def test_of_several_unsound_constraints_the_one_that_binds_is_told() -> None:
    wish = {**BINDING, "whenUnsatisfiable": "ScheduleAnyway"}
    (found,) = judged(workload(spread_by(wish, {**BINDING, "maxSkew": 3})))
    assert (found.reason, found.gap) == ("MaxSkew", 2)


def test_names_are_cut_and_kept_on_one_line() -> None:
    state = world([node("a", "zone\n" + "a" * 60), node("b", "b" * 63)], [pod("1", "a"), pod("2", "a")])
    (found,) = judged(workload(spread_by(BINDING)), state)
    assert found.detail.isprintable()
    assert len(found.detail) < 130
