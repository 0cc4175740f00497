"""Rules about containers, whatever is written: probes, how a pod ends, and what it asks for."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierguard.api.rule_values import ResourceName
from tierguard.api.rules import ProbesRule, ResourcesRule, RuleBlock, TerminationRule
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.rules import RULES, Rule, Violation
from tierguard.guard.rules.probes import Probes
from tierguard.guard.rules.resources import Resources
from tierguard.guard.rules.rule import Situation
from tierguard.guard.rules.termination import Termination
from tierguard.guard.tiers.classify import Classified

Document = dict[str, Any]

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
LONGEST_NAME = "n" * 63
STRICT: list[tuple[Rule, RuleBlock]] = [
    (Probes(), ProbesRule(liveness_tolerance_seconds=86400, forbidden_paths=["/", "/health/deep"])),
    (Termination(), TerminationRule(grace_period_seconds=86400)),
    (Resources(), ResourcesRule(requests=list(ResourceName), limits=list(ResourceName))),
]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["http", "/health/deep", "0"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


def any_of(*fields: str, of: st.SearchStrategy[Any] = json_values) -> st.SearchStrategy[Document]:
    """A mapping with some of `fields`, each with anything in it."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(fields, of | json_values))


handlers = any_of("host", "path", "port", "scheme", "httpHeaders", "command", "service")
probes = any_of("httpGet", "tcpSocket", "exec", "grpc", of=handlers) | any_of(
    "httpGet", "periodSeconds", "failureThreshold", "terminationGracePeriodSeconds", of=handlers
)
amounts = any_of("requests", "limits", of=any_of("cpu", "memory"))
hooks = any_of("preStop", of=any_of("sleep", of=any_of("seconds")))
any_container = st.builds(
    lambda *parts: {key: found for part in parts for key, found in part.items()},
    any_of("readinessProbe", "livenessProbe", "startupProbe", of=probes),
    any_of("name", "restartPolicy", of=st.sampled_from(["app", "Always"])),
    any_of("resources", of=amounts),
    any_of("lifecycle", of=hooks),
    any_of("ports", of=st.lists(any_of("name", "containerPort"), max_size=2)),
)
pod_specs = st.builds(
    lambda *parts: {key: found for part in parts for key, found in part.items()},
    any_of("containers", "initContainers", of=st.lists(any_container | json_values, max_size=2)),
    any_of("terminationGracePeriodSeconds"),
    any_of("resources", of=amounts),
)


def judged(rule: Rule, settings: RuleBlock, pod_spec: Any, kind: str = "Deployment") -> Iterator[Violation]:
    raw: Document = {"kind": kind, "metadata": {"name": "payment-core", "namespace": "payments"}}
    at = raw
    for key in WORKLOAD_KINDS[kind].template:
        at = at.setdefault(key, {})
    at["spec"] = pod_spec
    workload = Workload.of(raw)
    assert workload is not None
    return rule.check(Situation(Classified(workload, 1, {}, ()), State(), NOW), settings)


def reasons(rule: Rule, settings: RuleBlock, pod_spec: Any) -> list[str]:
    return [violation.reason for violation in judged(rule, settings, pod_spec)]


def gap(rule: Rule, settings: RuleBlock, pod_spec: Any) -> float:
    return max((violation.gap for violation in judged(rule, settings, pod_spec)), default=0.0)


def pod(**fields: Any) -> Document:
    return {"containers": [{"name": "app", **fields}]}


def http(path: Any = "/healthz", port: Any = 8080, **more: Any) -> Document:
    return {"httpGet": {"path": path, "port": port, **more}}


def same(readiness: Document, liveness: Document, **fields: Any) -> bool:
    found = reasons(Probes(), ProbesRule(), pod(readinessProbe=readiness, livenessProbe=liveness, **fields))
    assert set(found) <= {"SameCheck"}
    return bool(found)


@pytest.mark.parametrize(("rule", "settings"), STRICT, ids=lambda found: str(getattr(found, "id", "")))
@given(pod_spec=pod_specs | json_values)
def test_no_rule_raises_whatever_is_written(rule: Rule, settings: RuleBlock, pod_spec: Any) -> None:
    found = list(judged(rule, settings, pod_spec))

    assert all(violation.gap >= 0 and violation.detail.isprintable() for violation in found)


@pytest.mark.parametrize(("rule", "settings"), STRICT, ids=lambda found: str(getattr(found, "id", "")))
def test_a_detail_is_short(rule: Rule, settings: RuleBlock) -> None:
    live = {**http("/health/deep"), "terminationGracePeriodSeconds": 5}
    bad = {
        "name": LONGEST_NAME,
        "readinessProbe": http("/health/deep"),
        "livenessProbe": live,
        "lifecycle": {"preStop": {"sleep": {"seconds": 30}}},
    }
    bare = {"name": LONGEST_NAME}
    found = list(judged(rule, settings, {"containers": [bad, bare]}))

    assert found
    assert all(len(violation.detail.replace(LONGEST_NAME, "payment-core")) <= 95 for violation in found)
    # With the longest name too, what a warning cuts off is the end of that name at most.
    assert all(violation.detail.endswith(LONGEST_NAME) for violation in found if violation.about != "pod")


def test_rules_are_silent_about_kinds_that_they_do_not_judge() -> None:
    known = {rule.id: rule.kinds for rule in RULES}

    assert "Pod" not in known[Probes.id] | known[Termination.id] | known[Resources.id]
    assert "CronJob" in known[Resources.id] - known[Probes.id] - known[Termination.id]


def test_main_containers_are_told_of_before_sidecars_and_init_containers() -> None:
    spec = {
        "initContainers": [{"name": "migrate"}, {"name": "proxy", "restartPolicy": "Always"}],
        "containers": [{"name": "app"}],
    }
    settings = ResourcesRule(limits=[])

    assert [violation.about for violation in judged(Resources(), settings, spec)] == [
        "app/requests",
        "migrate/requests",
        "proxy/requests",
    ]
    assert [violation.about for violation in judged(Probes(), ProbesRule(liveness="Optional"), spec)] == [
        "app/readiness",
        "proxy/readiness",
    ]


def test_a_probe_by_name_is_resolved_to_its_port() -> None:
    ports = [{"name": "http", "containerPort": 8080}, {"name": "other", "containerPort": 8081}]

    assert same(http(port="http"), http(port=8080), ports=ports)
    assert not same(http(port="http"), http(port="other"), ports=ports)


def test_two_names_of_one_number_are_one_port() -> None:
    ports = [{"name": "http", "containerPort": 8080}, {"name": "alias", "containerPort": 8080, "protocol": "UDP"}]

    assert same(http(port="http"), http(port="alias"), ports=ports)


def test_a_name_that_no_port_has_is_only_the_same_as_itself() -> None:
    assert same(http(port="http"), http(port="http"))
    assert not same(http(port="http"), http(port=8080))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"httpGet": {"port": 8080}}, http("/")),
        ({"httpGet": {"port": 8080}}, http("")),
        (http(scheme="HTTP"), http()),
        (http("/healthz/"), http()),
        (http("healthz"), http()),
        (http("//elsewhere/healthz"), http()),
        (http("/x/../healthz#here"), http()),
        (http("/%68ealthz"), http()),
        (http(port="8080"), http()),
        (http(host=""), http(httpHeaders=[])),
        (
            http(httpHeaders=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
            http(httpHeaders=[{"name": "b", "value": "2"}, {"name": "a", "value": "1"}]),
        ),
        ({"tcpSocket": {"port": 8080}}, {"tcpSocket": {"port": 8080, "host": ""}}),
        ({"grpc": {"port": 9090}}, {"grpc": {"port": 9090, "service": ""}}),
        ({"exec": {"command": ["a"]}}, {"exec": {"command": ["a"]}, "periodSeconds": 60}),
        ({"later": {"than": "today"}}, {"later": {"than": "today"}}),
    ],
)
def test_the_same_check_is_found_however_it_is_written(one: Document, other: Document) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (http("/livez"), http("/readyz")),
        (http("/healthz?full=1"), http()),
        (http(scheme="HTTPS"), http()),
        (http(host="127.0.0.1"), http()),
        (http(httpHeaders=[{"name": "A", "value": "1"}]), http()),
        ({"tcpSocket": {"port": 8080}}, http()),
        ({"grpc": {"port": 9090, "service": "ready"}}, {"grpc": {"port": 9090}}),
        ({"exec": {"command": ["a"]}}, {"exec": {"command": ["a", "b"]}}),
    ],
)
def test_another_check_is_another(one: Document, other: Document) -> None:
    assert not same(one, other)
    assert not same(other, one)


@pytest.mark.parametrize("probe", [None, {}, "x", [], {"periodSeconds": 5}, {"httpGet": None}, {"exec": {}}])
def test_a_probe_that_asks_nothing_is_none(probe: Any) -> None:
    found = reasons(Probes(), ProbesRule(), pod(readinessProbe=probe, livenessProbe=probe))

    assert found == ["NoReadinessProbe", "NoLivenessProbe"]


@pytest.mark.parametrize(
    ("forbidden", "path", "expected"),
    [
        ("/health/deep", "/health/deep", True),
        ("/health/deep", "/health/deep/", True),
        ("/health/deep/", "/health/deep", True),
        ("/health/deep", "/health/deep?x=/y", True),
        ("/health/deep?x=1", "/health/deep", True),
        ("/health/deep", "/health/deep/db", True),
        ("/health/deep", "//payments/health/deep", True),
        ("/health/deep", "/health//./deep", True),
        ("/health/deep", "/health/%64eep", True),
        ("/health/deep", "/health/deeper", False),
        ("/health/deep", "/health", False),
        ("/health/deep", "/Health/Deep", False),
        ("/", "/", True),
        ("/", "/livez", False),
        ("/", "", True),
    ],
)
def test_a_forbidden_path_stands_for_all_below_it(forbidden: str, path: str, expected: bool) -> None:
    settings = ProbesRule(readiness="Optional", forbidden_paths=["/elsewhere", forbidden])

    assert reasons(Probes(), settings, pod(livenessProbe=http(path))) == ["ForbiddenPath"] * expected


numbers = st.integers(1, 200) | st.none()


@given(period=numbers, failures=numbers, more=st.integers(0, 50), asked=st.integers(1, 1000))
def test_more_failures_never_make_liveness_less_patient(
    period: int | None, failures: int | None, more: int, asked: int
) -> None:
    settings = ProbesRule(readiness="Optional", liveness_tolerance_seconds=asked)

    def found(threshold: int | None) -> float:
        return gap(
            Probes(),
            settings,
            pod(livenessProbe={**http(), "periodSeconds": period, "failureThreshold": threshold}),
        )

    assert found((failures or 3) + more) <= found(failures)
    assert found(failures) == max(0, asked - (period or 10) * (failures or 3))


@given(period=st.integers(1, 300), asked=st.integers(1, 86400))
def test_what_the_remedy_says_is_enough_and_no_more_than_that(period: int, asked: int) -> None:
    settings = ProbesRule(readiness="Optional", liveness_tolerance_seconds=asked)

    def violations(threshold: int) -> list[Violation]:
        probe = {**http(), "periodSeconds": period, "failureThreshold": threshold}
        return list(judged(Probes(), settings, pod(livenessProbe=probe)))

    for violation in violations(1):
        needed = int(violation.remedy.split(" to ")[1].split()[0])
        assert not violations(needed)
        assert violations(needed - 1)


@given(grace=st.integers(0, 200) | st.none(), more=st.integers(0, 100), asked=st.integers(1, 200))
def test_more_grace_is_never_worse(grace: int | None, more: int, asked: int) -> None:
    settings = TerminationRule(grace_period_seconds=asked)
    effective = 30 if grace is None else grace

    def found(seconds: int | None) -> float:
        return gap(Termination(), settings, {**pod(), "terminationGracePeriodSeconds": seconds})

    assert found(grace) == max(0, asked - effective)
    assert found(effective + more) <= found(grace)


@given(slept=st.integers(0, 100), less=st.integers(0, 100), grace=st.integers(0, 100))
def test_a_shorter_sleep_is_never_worse(slept: int, less: int, grace: int) -> None:
    settings = TerminationRule(grace_period_seconds=1)

    def found(seconds: int) -> float:
        spec = pod(lifecycle={"preStop": {"sleep": {"seconds": seconds}}})
        violations = judged(Termination(), settings, {**spec, "terminationGracePeriodSeconds": grace})
        return max((v.gap for v in violations if v.reason == "PreStopTooLong"), default=0.0)

    assert found(max(0, slept - less)) <= found(slept)
    assert (found(slept) > 0) == (slept >= grace and slept > 0)


def test_of_two_probes_the_one_that_kills_sooner_is_told() -> None:
    spec = pod(
        livenessProbe={**http(), "terminationGracePeriodSeconds": 20},
        startupProbe={**http(), "terminationGracePeriodSeconds": 5},
        readinessProbe={**http(), "terminationGracePeriodSeconds": 1},
    )
    (violation,) = judged(Termination(), TerminationRule(), spec)

    assert (violation.reason, violation.gap) == ("ShortProbeGracePeriod", 25)
    assert violation.detail == "startupProbe gives 5 s to end, 30 asked for, in container app"


def test_an_init_container_that_ends_has_no_hooks_and_probes_to_judge() -> None:
    init = {
        "name": "migrate",
        "lifecycle": {"preStop": {"sleep": {"seconds": 30}}},
        "livenessProbe": {**http(), "terminationGracePeriodSeconds": 1},
    }

    assert not reasons(Termination(), TerminationRule(), {"initContainers": [init]})
    assert reasons(Termination(), TerminationRule(), {"initContainers": [{**init, "restartPolicy": "Always"}]}) == [
        "PreStopTooLong",
        "ShortProbeGracePeriod",
    ]


@pytest.mark.parametrize(
    "quantity",
    ["0", "0m", "0.0", ".0", "0e3", "0Ki", "+0", "", " 1", "-1", "1x", "m", "\u0661", 0, 0.0, -1, True, None, [], {}],
)
def test_what_is_nothing_is_no_request(quantity: Any) -> None:
    settings = ResourcesRule(requests=["cpu"], limits=["cpu"])
    both = ["MissingRequests", "MissingLimits"]

    assert reasons(Resources(), settings, pod(resources={"requests": {"cpu": quantity}})) == both
    assert reasons(Resources(), settings, pod(resources={"limits": {"cpu": quantity}})) == both


@pytest.mark.parametrize(
    "quantity", ["1", "250m", "0.5", ".5", "5.", "1e3", "1E-3", "1Gi", "10k", "+1", "100n", 1, 0.5]
)
def test_a_quantity_is_a_request_however_it_is_written(quantity: Any) -> None:
    settings = ResourcesRule(requests=["cpu"], limits=["cpu"])

    assert not reasons(Resources(), settings, pod(resources={"limits": {"cpu": quantity}}))
    assert not reasons(Resources(), settings, {**pod(), "resources": {"limits": {"cpu": quantity}}})


def test_a_written_request_of_zero_is_not_mended_by_a_limit() -> None:
    settings = ResourcesRule(limits=[])
    resources = {"requests": {"cpu": "0"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    (violation,) = judged(Resources(), settings, pod(resources=resources))

    assert violation.detail == "no request of cpu (0) in container app"


def test_the_pod_and_the_container_may_say_it_together() -> None:
    spec = {**pod(resources={"limits": {"memory": "1Gi"}}), "resources": {"requests": {"cpu": "1"}}}

    assert not reasons(Resources(), ResourcesRule(), spec)


def test_containers_that_people_attach_are_not_judged() -> None:
    assert not reasons(Resources(), ResourcesRule(), {"ephemeralContainers": [{"name": "debug"}]})


@given(
    named=st.sets(st.sampled_from(["cpu", "memory", "ephemeral-storage"])),
    more=st.sets(st.sampled_from(["cpu", "memory", "ephemeral-storage"])),
)
def test_asking_for_more_resources_is_never_worse(named: set[str], more: set[str]) -> None:
    settings = ResourcesRule(requests=list(ResourceName), limits=[])

    def found(names: set[str]) -> float:
        return gap(Resources(), settings, pod(resources={"requests": dict.fromkeys(names, "1")}))

    assert found(named) == 3 - len(named)
    assert found(named | more) <= found(named)
