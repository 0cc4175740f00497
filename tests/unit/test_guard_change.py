"""What kind of change is it? Workloads of every kind, mutated one field at a time and several at once."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.e2e import manifests
from tierguard.api.scope import ChangeKind
from tierguard.guard.model.change import (
    HARMLESS,
    SCALING,
    SEVERITY,
    Change,
    Operation,
    being_deleted,
    gains_owner,
    gravest_first,
    kinds_of_update,
    restarts_unpinned,
)
from tierguard.guard.model.template import HASH_LABELS, RESTARTED_AT, template_hash
from tierguard.guard.model.workload import Workload
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS

Document = dict[str, Any]
Edit = Callable[[Document], object]

COUNTED = ["Deployment", "StatefulSet", "ReplicaSet"]
PAUSABLE = {"Deployment": "paused", "CronJob": "suspend", "Job": "suspend"}
TEMPLATED = [kind for kind in WORKLOAD_KINDS if kind != "Pod"]
PINNED = f"registry.example.com/core@sha256:{'a' * 64}"
OTHER_PIN = f"registry.example.com/core@sha256:{'b' * 64}"
TAG = "registry.example.com/core:1"

every_kind = st.sampled_from(list(WORKLOAD_KINDS))
templated = st.sampled_from(TEMPLATED)
counted = st.sampled_from(COUNTED)
pausable = st.sampled_from(sorted(PAUSABLE))
counts = st.integers(0, 1000)
words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
hashes = st.sampled_from(HASH_LABELS)


def never(_: str) -> bool:
    return False


def always(_: str) -> bool:
    return True


def document(kind: str, image: str = TAG) -> Document:
    """A workload of `kind` with something in each part that a change may touch."""
    entry = WORKLOAD_KINDS[kind]
    template: Document = {
        "metadata": {"labels": {"app": "core"}, "annotations": {"note": "1"}},
        "spec": {"containers": [{"name": "app", "image": image, "env": [{"name": "MODE", "value": "live"}]}]},
    }
    found: Document = {
        "apiVersion": entry.api_version,
        "kind": kind,
        "metadata": {"name": "core", "namespace": "payments", "uid": "u-1", "labels": {"app": "core"}},
    }
    if kind == "Pod":
        found["metadata"]["annotations"] = {"note": "1"}
        return {**found, "spec": template["spec"]}
    if kind == "CronJob":
        return {**found, "spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": template}}}}
    found["spec"] = {"minReadySeconds": 5, "template": template}
    if entry.replicas is not None:
        found["spec"]["replicas"] = 3
    return found


def template_of(found: Document) -> Document:
    node = found
    for key in WORKLOAD_KINDS[str(found["kind"])].template:
        node = node[key]
    return node


def kinds(old: Document, new: Document, was_available: Callable[[str], bool] = never) -> set[ChangeKind]:
    before, after = Workload.of(old), Workload.of(new)
    assert before is not None
    assert after is not None
    return kinds_of_update(before, after, lambda: was_available(after.template_hash))


def changed(old: Document, change: Edit) -> Document:
    new = copy.deepcopy(old)
    change(new)
    return new


class Mutation(NamedTuple):
    """A change of one field: which one, and how."""

    field: str
    apply: Edit


def put(**fields: Any) -> Edit:
    return lambda found: found["spec"].update(fields)


def in_template(*path: str | int, to: Any) -> Edit:
    def apply(found: Document) -> None:
        node: Any = template_of(found)
        for part in path[:-1]:
            if isinstance(node, dict) and isinstance(part, int):
                return  # another mutation took the list away
            node = node.setdefault(part, {}) if isinstance(node, dict) else node[part]
        node[path[-1]] = to

    return apply


def forget(*path: str | int) -> Edit:
    def apply(found: Document) -> None:
        node: Any = template_of(found)
        for part in path[:-1]:
            node = node[part]
        node.pop(path[-1], None)

    return apply


json = st.recursive(
    st.booleans() | st.integers(-5, 5) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


@cache
def new_templates() -> st.SearchStrategy[Edit]:
    """A change of the template's labels, annotations or spec that a person would make: not a restart, not a hash label."""
    label, note, app = ("metadata", "labels"), ("metadata", "annotations"), ("spec", "containers", 0)
    return (
        words.map(lambda word: in_template(*label, f"x-{word}", to=word))
        | words.map(lambda word: in_template(*label, "app", to=f"x-{word}"))
        | words.map(lambda word: in_template(*note, f"x-{word}", to=word))
        | words.map(lambda word: in_template(*note, "note", to=f"x-{word}"))
        | words.map(lambda word: in_template("spec", "initContainers", to=[{"name": word, "image": TAG}]))
        | words.map(lambda word: in_template(*app, "image", to=f"registry.example.com/{word}:2"))
        | words.map(lambda word: in_template(*app, "env", 0, "value", to=f"x-{word}"))
        | words.map(lambda word: in_template(*app, "command", to=[word]))
        | counts.map(lambda count: in_template("spec", "terminationGracePeriodSeconds", to=count))
        | counts.map(lambda count: in_template(*app, "resources", to={"limits": {"memory": f"{count}Mi"}}))
        | json.map(lambda found: in_template("spec", "extra", to=found))
        | st.just(in_template(*app, "image", to=OTHER_PIN))
        | st.sampled_from([(*label, "app"), (*note, "note"), note, (*app, "env"), ("spec", "containers")]).map(
            lambda path: forget(*path)
        )
    )


@cache
def mutations(kind: str) -> st.SearchStrategy[Mutation]:
    """One field of a workload of `kind`, changed; possibly to what it was."""
    restart = words.map(lambda when: in_template("metadata", "annotations", RESTARTED_AT, to=when))
    fields: dict[str, list[st.SearchStrategy[Edit]]] = {
        "template": [new_templates(), restart],
        "settings": [st.builds(lambda name, to: put(**{name: to}), st.sampled_from(["minReadySeconds", "x"]), json)],
        "metadata": [
            st.builds(lambda key, to: lambda found: found["metadata"]["labels"].update({key: to}), words, words)
        ],
        "status": [json.map(lambda to: lambda found: found.update(status=to))],
    }
    if WORKLOAD_KINDS[kind].replicas:
        fields["replicas"] = [counts.map(lambda count: put(replicas=count))]
    if kind in PAUSABLE:
        fields["paused"] = [st.booleans().map(lambda paused: put(**{PAUSABLE[kind]: paused}))]
    return st.one_of([st.builds(Mutation, st.just(name), how) for name, ways in fields.items() for how in ways])


@settings(deadline=None, max_examples=100)
@given(every_kind, json, st.dictionaries(words, words, max_size=3), st.booleans())
def test_a_change_of_status_and_metadata_alone_is_no_change(
    kind: str, status: Any, annotations: dict[str, str], known: bool
) -> None:
    old = document(kind)

    def touch(found: Document) -> None:
        found["status"] = status
        found["metadata"] |= {"annotations": annotations, "labels": annotations, "resourceVersion": "7"}

    assert kinds(old, old, lambda _: known) == set()
    assert kinds(old, changed(old, touch), lambda _: known) == set()


@settings(deadline=None, max_examples=300)
@given(templated, st.sampled_from([TAG, PINNED]), new_templates(), st.booleans(), st.booleans())
def test_a_new_template_is_a_rollout_or_a_rollback_and_never_nothing(
    kind: str, image: str, change: Edit, known: bool, restarted: bool
) -> None:
    old = document(kind, image)
    new = changed(old, change)
    if restarted:
        in_template("metadata", "annotations", RESTARTED_AT, to="2026-11-11T00:00:00Z")(new)
    assume(template_hash(template_of(old)) != template_hash(template_of(new)))

    expected = ChangeKind.ROLLBACK if known else ChangeKind.ROLLOUT
    assert kinds(old, new, lambda _: known) == {expected}
    assert kinds(new, old, lambda _: known) == {expected}


@settings(deadline=None, max_examples=100)
@given(templated, new_templates())
def test_it_is_a_rollback_only_where_the_new_template_is_what_was_available(kind: str, change: Edit) -> None:
    old = document(kind)
    new = changed(old, change)
    before, after = template_hash(template_of(old)), template_hash(template_of(new))
    assume(before != after)

    assert kinds(old, new, lambda found: found == before) == {ChangeKind.ROLLOUT}
    assert kinds(old, new, lambda found: found == after) == {ChangeKind.ROLLBACK}
    assert kinds(new, old, lambda found: found == before) == {ChangeKind.ROLLBACK}


@settings(deadline=None, max_examples=100)
@given(templated, hashes, words, words)
def test_the_hash_of_a_template_knows_nothing_of_hash_labels_and_restarts(
    kind: str, label: str, value: str, when: str
) -> None:
    old = document(kind)
    labelled = changed(old, in_template("metadata", "labels", label, to=value))
    restarted = changed(labelled, in_template("metadata", "annotations", RESTARTED_AT, to=when))

    assert template_hash(template_of(labelled)) == template_hash(template_of(old))
    assert template_hash(template_of(restarted)) == template_hash(template_of(old))


def test_the_hash_label_of_a_deployment_is_none_of_its_pods_business() -> None:
    old = document("Deployment")

    assert kinds(old, changed(old, in_template("metadata", "labels", "pod-template-hash", to="5f7"))) == set()


@settings(deadline=None, max_examples=60)
@given(templated, words, st.booleans())
def test_a_restart_is_a_rollout_where_the_images_can_move(kind: str, when: str, known: bool) -> None:
    restart = in_template("metadata", "annotations", RESTARTED_AT, to=when)
    for image, expected in ((PINNED, ChangeKind.RESTART), (TAG, ChangeKind.ROLLOUT)):
        old = document(kind, image)
        new = changed(old, restart)
        before, after = Workload.of(old), Workload.of(new)
        assert before is not None
        assert after is not None

        assert kinds(old, new, lambda _: known) == {expected}
        assert kinds(new, old, lambda _: known) == {expected}
        assert restarts_unpinned(before, after) == (expected is ChangeKind.ROLLOUT)
        assert not restarts_unpinned(after, after)


def test_one_image_by_tag_among_pinned_ones_makes_a_restart_a_rollout() -> None:
    restart = in_template("metadata", "annotations", RESTARTED_AT, to="now")
    for part in ("containers", "initContainers", "ephemeralContainers"):
        for image in (TAG, "", f"registry.example.com/core@sha512:{'a' * 64}"):
            old = document("Deployment", PINNED)
            template_of(old)["spec"].setdefault(part, []).append({"name": "sidecar", "image": image})

            assert kinds(old, changed(old, restart)) == {ChangeKind.ROLLOUT}


@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_the_image_of_a_volume_makes_a_restart_a_rollout_where_it_can_move(kind: str) -> None:
    restart = in_template("metadata", "annotations", RESTARTED_AT, to="now")
    for source, expected in (
        ({"reference": TAG, "pullPolicy": "IfNotPresent"}, ChangeKind.ROLLOUT),
        ({"reference": "registry.example.com/models:latest"}, ChangeKind.ROLLOUT),
        ({}, ChangeKind.ROLLOUT),
        ({"reference": OTHER_PIN}, ChangeKind.RESTART),
        ({"reference": f"registry.example.com/models@sha512:{'c' * 128}"}, ChangeKind.RESTART),
    ):
        old = document(kind, PINNED)
        template_of(old)["spec"]["volumes"] = [{"name": "tmp", "emptyDir": {}}, {"name": "models", "image": source}]

        assert kinds(old, changed(old, restart)) == {expected}


@settings(deadline=None, max_examples=100)
@given(counted, counts, counts)
def test_replicas_go_up_or_down_or_to_zero(kind: str, before: int, after: int) -> None:
    old = changed(document(kind), put(replicas=before))
    new = changed(old, put(replicas=after))
    expected = set()
    if after > before:
        expected = {ChangeKind.SCALE_UP}
    elif after < before:
        expected = {ChangeKind.SCALE_TO_ZERO if after == 0 else ChangeKind.SCALE_DOWN}

    assert kinds(old, new) == expected
    opposite = {ChangeKind.SCALE_UP: {ChangeKind.SCALE_DOWN, ChangeKind.SCALE_TO_ZERO}}
    for found in kinds(old, new):
        assert kinds(new, old) <= opposite.get(found, {ChangeKind.SCALE_UP})


@pytest.mark.parametrize("kind", COUNTED)
def test_replicas_left_out_are_one(kind: str) -> None:
    one = changed(document(kind), put(replicas=1))
    absent = changed(one, lambda found: found["spec"].pop("replicas"))
    null = changed(one, put(replicas=None))

    for same in (absent, null):
        assert kinds(one, same) == kinds(same, one) == set()
        assert kinds(changed(one, put(replicas=4)), same) == {ChangeKind.SCALE_DOWN}
        assert kinds(same, changed(one, put(replicas=0))) == {ChangeKind.SCALE_TO_ZERO}


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["DaemonSet", "CronJob", "Job"]), counts)
def test_replicas_of_what_is_not_counted_are_settings_like_any(kind: str, count: int) -> None:
    old = document(kind)

    assert kinds(old, changed(old, put(replicas=count))) == {ChangeKind.SETTINGS}


@settings(deadline=None, max_examples=60)
@given(pausable, st.sampled_from([False, None]), st.booleans())
def test_pausing_takes_nothing_away_but_of_a_job_and_resuming_starts_something_but_of_a_cron_job(
    kind: str, off: object, known: bool
) -> None:
    switch = PAUSABLE[kind]
    running = changed(document(kind), put(**{switch: off}))
    paused = changed(running, put(**{switch: True}))
    absent = changed(running, lambda found: found["spec"].pop(switch))

    halted = ChangeKind.SCALE_TO_ZERO if kind == "Job" else ChangeKind.PAUSE
    resumed = {"Deployment": ChangeKind.ROLLBACK if known else ChangeKind.RESUME, "CronJob": ChangeKind.PAUSE}
    for each in (running, absent):
        assert kinds(each, paused, lambda _: known) == {halted}
        assert kinds(paused, each, lambda _: known) == {resumed.get(kind, ChangeKind.RESUME)}
    assert kinds(running, absent) == set()


@pytest.mark.parametrize(
    ("before", "after", "scaling"),
    [
        ({"parallelism": 3}, {"parallelism": 0}, ChangeKind.SCALE_TO_ZERO),
        ({}, {"parallelism": 0}, ChangeKind.SCALE_TO_ZERO),
        ({"parallelism": 3}, {"parallelism": 1}, ChangeKind.SCALE_DOWN),
        ({"parallelism": 3}, {}, ChangeKind.SCALE_DOWN),
        ({"parallelism": 1}, {"parallelism": 3}, None),
        ({"parallelism": 3, "completions": 9}, {"parallelism": 3, "completions": 4}, ChangeKind.SCALE_DOWN),
        ({}, {"activeDeadlineSeconds": 1}, ChangeKind.SCALE_TO_ZERO),
        ({"activeDeadlineSeconds": 600}, {"activeDeadlineSeconds": 60}, ChangeKind.SCALE_TO_ZERO),
        ({"activeDeadlineSeconds": 60}, {"activeDeadlineSeconds": 600}, None),
        ({"activeDeadlineSeconds": 60}, {}, None),
        ({}, {"backoffLimit": 0}, ChangeKind.SCALE_TO_ZERO),
        ({"backoffLimit": 0}, {}, None),
        ({}, {"maxFailedIndexes": 1}, ChangeKind.SCALE_TO_ZERO),
        ({}, {"ttlSecondsAfterFinished": 60}, None),
    ],
)
def test_tighter_bounds_of_a_running_job_take_its_pods_away(
    before: Document, after: Document, scaling: ChangeKind | None
) -> None:
    old, new = (changed(document("Job"), put(**fields)) for fields in (before, after))
    idle, still_idle = (changed(each, put(suspend=True)) for each in (old, new))

    assert kinds(old, new) == {ChangeKind.SETTINGS, *([scaling] if scaling else [])}
    assert kinds(idle, still_idle) == {ChangeKind.SETTINGS}
    assert kinds(old, still_idle) >= {ChangeKind.SETTINGS, ChangeKind.SCALE_TO_ZERO}


def test_a_cron_job_that_goes_on_with_something_else_is_resumed() -> None:
    suspended = changed(document("CronJob"), put(suspend=True))

    for edit in (put(suspend=False, schedule="* * * * *"), put(suspend=False, concurrencyPolicy="Replace")):
        assert kinds(suspended, changed(suspended, edit)) == {ChangeKind.RESUME, ChangeKind.SETTINGS}
    released = changed(suspended, put(suspend=False))
    other = changed(released, in_template("spec", "containers", 0, "image", to=OTHER_PIN))
    assert kinds(suspended, other) == {ChangeKind.RESUME, ChangeKind.ROLLOUT}


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["StatefulSet", "DaemonSet", "ReplicaSet"]), st.booleans())
def test_a_pause_switch_that_the_kind_does_not_have_is_a_setting(kind: str, paused: bool) -> None:
    old = document(kind)

    assert kinds(old, changed(old, put(paused=paused))) == {ChangeKind.SETTINGS}


@settings(deadline=None, max_examples=100)
@given(templated, st.sampled_from(["strategy", "minReadySeconds", "schedule", "selector", "x"]), json, json)
def test_anything_else_in_the_spec_is_a_setting_both_ways(kind: str, field: str, before: Any, after: Any) -> None:
    old = changed(document(kind), put(**{field: before}))
    new = changed(old, put(**{field: after}))
    expected = set() if before == after else {ChangeKind.SETTINGS}

    assert kinds(old, new) == kinds(new, old) == expected
    absent = changed(old, lambda found: found["spec"].pop(field))
    assert kinds(old, absent) == kinds(absent, old) == {ChangeKind.SETTINGS}
    assert kinds(absent, changed(absent, put(**{field: None}))) == set()


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["spec"]["jobTemplate"]["spec"].update(backoffLimit=0),
        lambda found: found["spec"]["jobTemplate"].update(metadata={"labels": {"a": "b"}}),
        put(concurrencyPolicy="Forbid"),
    ],
)
def test_what_surrounds_the_template_of_a_cron_job_is_a_setting(change: Edit) -> None:
    old = document("CronJob")

    assert kinds(old, changed(old, change)) == kinds(changed(old, change), old) == {ChangeKind.SETTINGS}


@settings(deadline=None, max_examples=150)
@given(st.data(), templated, st.sampled_from([TAG, PINNED]), st.booleans())
def test_two_changes_at_once_are_the_kinds_of_both(data: st.DataObject, kind: str, image: str, known: bool) -> None:
    first, second = data.draw(mutations(kind)), data.draw(mutations(kind))
    assume(first.field != second.field)
    old = document(kind, image)
    if kind in PAUSABLE and data.draw(st.booleans()):
        put(**{PAUSABLE[kind]: True})(old)
    one, other = changed(old, first.apply), changed(old, second.apply)
    both = changed(one, second.apply)
    assert both == changed(other, first.apply)

    def was_available(_: str) -> bool:
        return known

    union = kinds(old, one, was_available) | kinds(old, other, was_available)
    assert as_two(kind, kinds(old, both, was_available)) == as_two(kind, union)


def as_two(kind: str, found: set[ChangeKind]) -> set[ChangeKind]:
    """A CronJob's schedule that goes on is harmless alone, and no longer with anything else in the same change."""
    return {ChangeKind.RESUME if kind == "CronJob" and each is ChangeKind.PAUSE else each for each in found}


@settings(deadline=None, max_examples=150)
@given(st.data(), templated, st.booleans())
def test_what_differs_in_the_spec_is_never_nothing(data: st.DataObject, kind: str, known: bool) -> None:
    """Even of many changes at once: only replicas and switches written out as what they are by default say nothing."""
    made = data.draw(st.lists(mutations(kind), min_size=1, max_size=5))
    old = document(kind)
    new = copy.deepcopy(old)
    for mutation in made:
        mutation.apply(new)

    found = kinds(old, new, lambda _: known)
    off = [PAUSABLE[kind]] if kind in PAUSABLE else []
    plain = {key: value for key, value in new["spec"].items() if not (key in off and value is False)}
    assert (found == set()) == (plain == old["spec"])


@settings(deadline=None, max_examples=150)
@given(st.data(), templated)
def test_a_change_forth_and_back_is_never_free_in_one_direction_only(data: st.DataObject, kind: str) -> None:
    made = data.draw(st.lists(mutations(kind), min_size=1, max_size=4))
    old = document(kind)
    new = copy.deepcopy(old)
    for mutation in made:
        mutation.apply(new)

    forth, back = kinds(old, new), kinds(new, old)
    assert bool(forth) == bool(back)
    for both_ways in (ChangeKind.ROLLOUT, ChangeKind.SETTINGS):
        assert (both_ways in forth) == (both_ways in back)
    if kind != "Job":  # whose suspension is a scaling, and whose release is none
        assert bool(forth & SCALING) == bool(back & SCALING)
    switches = {ChangeKind.PAUSE, ChangeKind.RESUME, *([ChangeKind.SCALE_TO_ZERO] if kind == "Job" else [])}
    assert bool(forth & switches) == bool(back & switches)


@settings(deadline=None, max_examples=60)
@given(new_templates(), st.booleans())
def test_another_spec_of_a_pod_is_another_template(change: Edit, known: bool) -> None:
    old = document("Pod")
    new = changed(old, change)
    expected = {ChangeKind.ROLLBACK if known else ChangeKind.ROLLOUT} if old["spec"] != new["spec"] else set()

    assert kinds(old, new, lambda _: known) == expected


# Deployments compare whole templates but for the pod-template-hash label (EqualIgnoreHash); StatefulSets and DaemonSets
# make a revision of all of it.
MOVES_PODS = [
    ("Deployment", in_template("metadata", "finalizers", to=["example.com/wait"])),
    ("Deployment", in_template("metadata", "name", to="other")),
    ("Deployment", in_template("metadata", "labels", "controller-revision-hash", to="x")),
    ("Deployment", in_template("metadata", "labels", "pod-template-generation", to="7")),
    ("StatefulSet", in_template("metadata", "labels", "pod-template-hash", to="x")),
    ("DaemonSet", in_template("metadata", "labels", "pod-template-hash", to="x")),
    ("StatefulSet", in_template("metadata", "finalizers", to=["example.com/wait"])),
]


@pytest.mark.parametrize(("kind", "change"), MOVES_PODS)
def test_whatever_makes_the_controller_replace_pods_is_a_change(kind: str, change: Edit) -> None:
    old = document(kind)

    assert kinds(old, changed(old, change))


kind_sets = st.sets(st.sampled_from(ChangeKind))


@settings(deadline=None, max_examples=100)
@given(kind_sets)
def test_the_gravest_kind_comes_first_and_none_only_alone(found: set[ChangeKind]) -> None:
    ordered = gravest_first(found)

    assert set(ordered) == (found - {ChangeKind.NONE} or {ChangeKind.NONE})
    assert len(set(ordered)) == len(ordered)
    assert list(ordered) == sorted(ordered, key=SEVERITY.index)
    assert ChangeKind.NONE not in ordered or ordered == (ChangeKind.NONE,)
    assert gravest_first(set(ordered)) == ordered


def test_every_kind_of_change_has_its_place_in_the_order() -> None:
    assert sorted(SEVERITY) == sorted(ChangeKind)
    assert SEVERITY[0] is ChangeKind.DELETE
    assert SEVERITY[-1] is ChangeKind.NONE
    assert set(SEVERITY[-2:]) == HARMLESS


def owned(*uids: str) -> Document:
    return {"metadata": {"ownerReferences": [{"kind": "ReplicaSet", "name": uid, "uid": uid} for uid in uids]}}


owners = st.lists(words, unique=True, max_size=4)


@settings(deadline=None, max_examples=100)
@given(owners, owners)
def test_an_owner_is_gained_when_one_is_there_that_was_not(before: list[str], after: list[str]) -> None:
    assert gains_owner(owned(*before), owned(*after)) == bool(set(after) - set(before))
    assert not gains_owner(owned(*before), owned(*before[::-1]))
    assert not gains_owner(owned(*before), {"metadata": {}})
    assert gains_owner({}, owned(*after)) == bool(after)


def test_an_owner_of_the_same_name_with_another_uid_is_another_owner() -> None:
    old, new = owned("a"), owned("a")
    new["metadata"]["ownerReferences"][0]["uid"] = "b"

    assert gains_owner(old, new)


def test_what_has_a_deletion_timestamp_is_being_deleted() -> None:
    assert being_deleted({"metadata": {"deletionTimestamp": "2026-11-11T00:00:00Z"}})
    for metadata in ({}, {"deletionTimestamp": None}):
        assert not being_deleted({"metadata": metadata})


@settings(deadline=None, max_examples=100)
@given(st.text(), st.text(), st.text())
def test_the_subject_of_a_change_is_one_short_line(kind: str, namespace: str, name: str) -> None:
    change = Change(Operation.UPDATE, kind, namespace, name, None, None)

    assert len(change.subject) <= 160
    assert change.subject.isprintable()


def test_the_subject_of_a_change_names_it() -> None:
    workload = manifests.deployment("payments")

    there = Change(Operation.UPDATE, "Deployment", "payments", "payment-core", workload, workload)
    nowhere = Change(Operation.DELETE, "Namespace", "", "payments", {}, None)
    assert there.subject == "Deployment payments/payment-core"
    assert nowhere.subject == "Namespace payments"


@settings(deadline=None, max_examples=300)
@given(every_kind.flatmap(lambda kind: st.tuples(st.just(kind), st.lists(mutations(kind), max_size=3))), st.data())
def test_settings_are_the_same_where_comparing_them_says_so(
    made: tuple[str, list[Mutation]], data: st.DataObject
) -> None:
    kind, mutated = made
    old = document(kind)
    edits = [mutation.apply for mutation in mutated]
    new = changed(old, lambda found: [edit(found) for edit in edits])
    if data.draw(st.booleans()) and kind != "Pod":
        new["spec"]["minReadySeconds"] = None
    before, after = Workload.of(old), Workload.of(new)
    assert before is not None
    assert after is not None
    assert before.settled_as(after) is after.settled_as(before) is (before.settings() == after.settings())
