"""What a freeze, a window or a policy really selects: the workloads that are there, or examples of those that might be."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from tierguard.api.freeze import Operation
from tierguard.api.kinds import FREEZE
from tierguard.guard.freezes.compiled import ALL_TIERS
from tierguard.guard.freezes.operations import BATCH_KINDS, batch_of
from tierguard.guard.model import objects
from tierguard.guard.model.hold import Hold, Policy
from tierguard.guard.model.objects import KubeObject, Labels
from tierguard.guard.model.scope import TIER_LABEL, Scope, tier_of_label
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.tiers.classify import Classified, classify
from tierguard.labels import LabelSelector

NAMESPACE_NAME = "kubernetes.io/metadata.name"
_NO_LABELS: tuple[Labels, ...] = ({},)


def labels_of(namespace: str, state: State) -> Labels:
    """The labels of `namespace`; for one that is not known yet, the one that the API server gives to each."""
    return state.namespaces.get(namespace, {NAMESPACE_NAME: namespace})


def workloads(state: State, *scopes: Scope, beside: bool = False) -> Iterator[tuple[Workload, Labels]]:
    """The workloads that any of `scopes` may select, each with its namespace's labels.

    With `beside` also those that serve beside one, as they have its tier. What has an owner may be selected by that.
    """
    for namespace in tuple(state.workloads_in):
        labels = labels_of(namespace, state)
        near = [scope.workloads for scope in scopes if scope.namespaces.matches(labels)]
        if not near:
            continue
        everything = any(selector.everything for selector in near) or (
            beside and bool(state.services_in.get(namespace))
        )
        for workload in state.in_namespace(namespace):
            if everything or _may_match(near, workload):
                yield workload, labels


def _may_match(selectors: list[LabelSelector], workload: Workload) -> bool:
    """Classifying a workload costs ten times as much as this."""
    if objects.owners(workload.raw):
        return True
    return any(
        selector.matches(workload.labels) or selector.matches(workload.template_labels) for selector in selectors
    )


def classified(state: State, *scopes: Scope) -> Iterator[Classified]:
    """The same, each in its place."""
    for workload, labels in workloads(state, *scopes):
        yield classify(workload, workload.namespace, labels, state)


def anything_known(state: State) -> bool:
    """Whether there is any workload to tell by what is selected and what is not."""
    return any(state.workloads_in.values())


def selects(resource: Hold | Policy, subject: Classified) -> bool:
    """Whether `resource` means `subject`."""
    if isinstance(resource, Policy):
        return resource.scope.matches(subject.namespace_labels, subject.candidates)
    return subject.selected_by(resource)


def selects_anything(resource: Hold | Policy, state: State) -> bool:
    """Whether `resource` selects any workload, batch work or namespace that is there."""
    if isinstance(resource, Policy) or resource.deploys:
        if any(selects(resource, subject) for subject in classified(state, resource.scope)):
            return True
        if any(_means_namespace(resource, labels) for labels in tuple(state.namespaces.values())):
            return True
    return isinstance(resource, Hold) and resource.kind == FREEZE.kind and _means_batch(resource, state)


def _means_namespace(resource: Hold | Policy, labels: Labels) -> bool:
    """Whether a namespace, empty or not, is meant by its own tier label."""
    tier = tier_of_label(labels)
    tiers = ALL_TIERS if isinstance(resource, Policy) else resource.tiers
    return tier is not None and tier in tiers and resource.scope.matches(labels, _NO_LABELS)


def _means_batch(freeze: Hold, state: State) -> bool:
    if freeze.operations == {Operation.DEPLOY.value}:
        return False
    for namespace, there in tuple(state.workloads_in.items()):
        labels = labels_of(namespace, state)
        for (kind, _, _), raw in tuple(there.items()):
            workload = Workload.of(raw) if kind in BATCH_KINDS else None
            if workload is not None and batch_of(workload).meant_by(freeze, labels):
                return True
    return False


def examples(resources: Iterable[Hold | Policy], state: State) -> Iterator[tuple[Workload, Labels]]:
    """Workloads that `resources` would select if they were there, each with its namespace's labels.

    In each namespace that is selected; where none is, in one that would be. They stand for what nobody has made yet.
    """
    for resource in resources:
        there = [(name, labels) for name, labels in state.namespaces.items() if _reaches(resource, labels)]
        if not there:
            made = resource.scope.namespaces.example()
            there = [(made.get(NAMESPACE_NAME, "any"), made)]
        own = resource.scope.workloads.example()
        tiers = () if isinstance(resource, Policy) else tuple(sorted(resource.tiers))
        variants = [{TIER_LABEL: str(tier), **own} for tier in tiers] or [own]
        for name, labels in there:
            for variant in variants:
                yield _example(name, variant), labels


def _reaches(resource: Hold | Policy, labels: Labels) -> bool:
    return resource.scope.namespaces.matches(labels)


def _example(namespace: str, labels: Mapping[str, str]) -> Workload:
    raw: KubeObject = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "", "namespace": namespace, "labels": labels},
        "spec": {"template": {"metadata": {"labels": labels}}},
    }
    made = Workload.of(raw)
    assert made is not None  # noqa: S101 - a Deployment is a workload
    return made


def narrows(before: Hold | Policy, after: Hold | Policy) -> bool:
    """Whether `after` plainly selects nothing that `before` does not, whatever there is."""
    if isinstance(before, Hold) and isinstance(after, Hold):
        if before.deploys and not after.tiers <= before.tiers:
            return False
        if not after.operations <= before.operations:
            return False
        if before.providers is not None and (after.providers is None or not after.providers <= before.providers):
            return False
    scope, wide = after.scope, before.scope
    return wide.namespaces.covers(scope.namespaces) and wide.workloads.covers(scope.workloads)


def refused_anything(stored: KubeObject) -> bool:
    """Whether the status of a stored resource tells of changes that it refused, or that were made in spite of it."""
    refused = objects.value(stored, "status", "refused", "total")
    return bool(refused) or any(
        objects.sequence(stored, "status", part) for part in ("reviewsOwed", "passedUnjudged", "suspended")
    )


def corrects(stored: KubeObject, before: Hold | Policy, after: Hold | Policy, state: State) -> bool:
    """Whether `after` corrects a scope that was wrong: `before` selects nothing of what there is, and refused nothing.

    Narrowing such a scope corrects nothing. Where no workload is known, nobody can tell that it is wrong. What a policy
    refused is in no status, so nobody can tell that it refused nothing.
    """
    if isinstance(before, Policy) or narrows(before, after) or refused_anything(stored) or not anything_known(state):
        return False
    return not selects_anything(before, state)


def with_window(state: State, name: str, window: Hold | None) -> State:
    """`state` with the window called `name` as it is in `window`; None: without it."""
    others = tuple(each for each in state.windows if each.name != name)
    return replace(state, windows=others if window is None else (*others, window))


def with_policy(state: State, name: str, policy: Policy | None) -> State:
    """`state` with the policy called `name` as it is in `policy`; None: without it."""
    others = tuple(each for each in state.policies if each.name != name)
    return replace(state, policies=others if policy is None else (*others, policy))
