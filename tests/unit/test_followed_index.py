"""The index of a namespace follows the workloads that change, and says what one that is made anew says."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e import manifests
from tests.unit.reviews import OPEN, Application
from tierguard.guard.model.state import MOST_LATELY, Revision, State
from tierguard.guard.tiers.classified import Classified
from tierguard.guard.tiers.neighbours import Neighbours, neighbours
from tierguard.labels import LabelSelector

PLACE = "follow"
NAMES = ("a", "b", "c", "d")
LABELS = ({"app": "x"}, {"app": "y"}, {"app": "x", "role": "z"})
CLAIMS = ("data", "more")
OWNER = "8f1d0c6e-0000-4000-8000-000000000000"


def workload(kind: str, name: str, tier: str | None, labels: dict[str, str], claim: str, owner: str | None) -> Any:
    made = manifests.deployment(PLACE, name, tier=tier)
    made["kind"] = kind
    made["metadata"] |= {"uid": OWNER if name == "a" else name}
    if owner is not None:
        made["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": owner, "uid": OWNER, "controller": True}]
    template = made["spec"]["template"]
    template["metadata"]["labels"] = labels | ({"tierguard.io/tier": tier} if tier is not None else {})
    made["spec"]["selector"] = {"matchLabels": labels}
    template["spec"]["volumes"] = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
    template["spec"]["serviceAccountName"] = claim
    if kind == "StatefulSet":
        made["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": claim}}]
    return made


WORKLOADS = st.builds(
    workload,
    st.sampled_from(["Deployment", "StatefulSet", "ReplicaSet"]),
    st.sampled_from(NAMES),
    st.sampled_from([None, "0", "1", "3"]),
    st.sampled_from(LABELS),
    st.sampled_from(CLAIMS),
    st.sampled_from([None, None, "a"]),
)
STEPS = st.lists(st.tuples(st.sampled_from(["set", "set", "set", "gone"]), WORKLOADS), min_size=1, max_size=8)


def said(index: Neighbours) -> dict[str, Any]:
    """Answers to every sort of question, as names and tiers."""

    def named(found: Any) -> list[tuple[str, str, int | None]]:
        return sorted((s.workload.kind, s.workload.name, s.tier) for s in found)

    answers: dict[str, Any] = {"members": named(index.members), "classified": named(index.classified)}
    for labels in LABELS:
        selector = LabelSelector.compile({"matchLabels": labels})
        answers[f"candidates {labels}"] = named(index.candidates(selector))
        answers[f"selected {labels}"] = named(index.selected(selector))
        answers[f"adopters {labels}"] = named(index.adopters(labels))
        answers[f"served {labels}"] = named(index.served_by(labels))
        answers[f"beside {labels}"] = named(index.serving_beside(labels))
    for claim in CLAIMS:
        answers[f"readers {claim}"] = named(index.readers("ServiceAccount", claim))
        answers[f"users {claim}"] = named(index.users_of_claim(claim))
        answers |= {f"users {claim}-{n}": named(index.users_of_claim(f"{claim}-{n}-0")) for n in NAMES}
    for name in NAMES:
        answers[f"called {name}"] = sorted(str(found) for found in index.called(name))
        member = index.member_of(f"{name}-0")
        answers[f"member {name}"] = None if member is None else (str(member.workload), member.tier)
    return answers


@settings(max_examples=60)
@given(STEPS, st.booleans())
def test_what_is_followed_says_what_is_made_anew(steps: list[tuple[str, Any]], served: bool) -> None:
    application = Application(OPEN)
    application.learn({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}})
    if served:
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": PLACE}}
        application.learn({**service, "spec": {"selector": {"app": "x"}}})
    state = application.cache.state
    said(index_of(state))
    for what, found in steps:
        (application.learn if what == "set" else application.forget)(found)
        labels = state.namespaces[PLACE]
        assert said(index_of(state)) == said(Neighbours(PLACE, labels, state))


def test_one_changed_workload_of_many_does_not_make_the_index_anew() -> None:
    application = Application(OPEN)
    application.learn({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}})
    for number in range(50):
        application.learn(workload("Deployment", f"w{number}", "1", {"app": f"w{number}"}, "data", None))
    state = application.cache.state
    first = index_of(state)
    untouched = first.named("Deployment", "w7")
    application.learn(workload("Deployment", "w3", "0", {"app": "w3"}, "more", None))
    second = index_of(state)
    assert second is first
    changed = second.named("Deployment", "w3")
    assert isinstance(changed, Classified)
    assert changed.tier == 0
    assert second.named("Deployment", "w7") is untouched


def test_what_changed_too_long_ago_is_not_known_one_by_one() -> None:
    revision = Revision()
    for number in range(MOST_LATELY + 5):
        revision.note(("Deployment", PLACE, f"w{number}"))
    assert revision.since(revision.number, revision.number) == frozenset()
    assert list(revision.since(revision.number - 1, revision.number) or ()) == [
        ("Deployment", PLACE, f"w{MOST_LATELY + 4}")
    ]
    assert revision.since(2, revision.number) is None


def index_of(state: State) -> Neighbours:
    return neighbours(PLACE, state.namespaces[PLACE], state)
