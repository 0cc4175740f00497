"""A workload as one decision sees it: what is read of any of the kinds, decoded as far as it is read."""

import contextlib
from collections import deque
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tierguard.guard.model import objects
from tierguard.guard.model.containers import Container
from tierguard.guard.model.digest import encoded, written
from tierguard.guard.model.images import ImageReference
from tierguard.guard.model.objects import KubeObject, Labels
from tierguard.guard.model.once import once
from tierguard.guard.model.packed import Packed
from tierguard.guard.model.pod import PodSpec
from tierguard.guard.model.pod_template import PodTemplate, pod_template
from tierguard.guard.model.workload_kinds import TEMPLATE, WORKLOAD_KINDS, WorkloadKind
from tierguard.labels import LabelSelector

JOB_NAME = "batch.kubernetes.io/job-name"
"""A label that the Job controller gives to its pods, and that no other pods have."""


class Workload(Struct, frozen=True, dict=True):
    """A workload as one decision sees it: the object, and where to look in it.

    Those of a review are dropped with it. Those that are stored are kept, but of the parts that are large only the ones that
    were looked at last (`opened`).
    """

    entry: WorkloadKind
    raw: KubeObject

    @classmethod
    def of(cls, raw: KubeObject) -> "Workload | None":
        """The workload in `raw`, or None when its kind is not one of ours."""
        entry = WORKLOAD_KINDS.get(str(raw.get("kind")))
        if entry is None or raw.get("apiVersion", entry.api_version) != entry.api_version:
            return None
        return cls(entry, raw)

    @once
    def kind(self) -> str:
        """Its kind, for example `Deployment`."""
        return self.entry.kind

    @once
    def name(self) -> str:
        """Its name; for one that the API server is yet to name, the prefix."""
        return objects.name(self.raw) or str(objects.mapping(self.raw, "metadata").get("generateName") or "")

    @once
    def namespace(self) -> str:
        """Its namespace."""
        return objects.namespace(self.raw)

    @once
    def labels(self) -> Labels:
        """Its own labels."""
        return objects.labels(self.raw)

    @once
    def annotations(self) -> Mapping[str, str]:
        """Its own annotations."""
        return objects.annotations(self.raw)

    @once
    def spec(self) -> Mapping[str, Any]:
        """The fields of its spec, each decoded or not: read by the readers of `objects`."""
        if self.raw.get("spec").__class__ is Packed:
            opened.add(self)
        return objects.fields(self.raw, "spec")

    @once
    def pods(self) -> PodTemplate:
        """What is read of its pod template; a Pod is its own."""
        if not self.entry.template:
            return PodTemplate(self.raw)
        _, *above, last = self.entry.template
        found = objects.fields(self.spec, *above).get(last)
        # What is stored was written in another order than what is reviewed: remembering it would help nobody.
        return PodTemplate(found) if self.raw.get("spec").__class__ is Packed else pod_template(found)

    @property
    def template(self) -> KubeObject:
        """Its pod template, with fields that are decoded or not."""
        return self.pods.fields

    @once
    def template_labels(self) -> Labels:
        """The labels that its pods carry: the same object as its own, where they are the same."""
        own, found = self.labels, self.pods.labels
        return own if own == found else found

    @once
    def selector(self) -> LabelSelector:
        """The pods that its controller takes for its own; for what has no selector, those of its template's labels."""
        written = objects.mapping(self.spec, "selector")
        if not written:
            labels = self.template_labels
            return LabelSelector.compile({"matchLabels": dict(labels)}) if labels else LabelSelector(nothing=True)
        try:
            # A ReplicationController's is a plain map of labels.
            plain = self.kind == "ReplicationController"
            return LabelSelector.compile({"matchLabels": dict(written)} if plain else written)
        except ValueError:
            return LabelSelector(nothing=True)

    @property
    def pod(self) -> PodSpec:
        """What is read of the `spec` of its pods."""
        return self.pods.pod

    @once
    def around(self) -> bytes | None:
        """All of its spec but the pod template; None where it has none, or one in another place than most.

        The same bytes, and the same frame of its pods, are the same to every rule that goes by nothing else.
        """
        if self.entry.template != TEMPLATE:
            return None
        spec, inner = self.spec, TEMPLATE[1]
        return b"\0".join((encoded(tuple(spec)), *(written(found) for key, found in spec.items() if key != inner)))

    @property
    def containers(self) -> tuple[Container, ...]:
        """The containers of its pods, without ephemeral ones."""
        return self.pods.containers

    @property
    def images(self) -> tuple[ImageReference, ...]:
        """The images that its pods run or mount."""
        return self.pods.images

    @property
    def references(self) -> frozenset[tuple[str, str]]:
        """What its pods read (see `references`)."""
        return self.pods.references

    @property
    def claims(self) -> frozenset[str]:
        """Names of the PersistentVolumeClaims that its pods name; those made from templates are not among them."""
        return self.pods.claims

    @once
    def claim_prefixes(self) -> tuple[str, ...]:
        """`<template>-<name>-` of each claim template of a StatefulSet: its claims have an ordinal behind it."""
        if self.kind != "StatefulSet":
            return ()
        templates = objects.sequence(self.spec, "volumeClaimTemplates")
        return tuple(f"{objects.name(template)}-{self.name}-" for template in templates)

    @once
    def replicas(self) -> int | None:
        """How many pods it wants; absent means one, as in Kubernetes. None for kinds that are not counted."""
        if self.entry.replicas is None:
            return None
        found = objects.value(self.spec, *self.entry.replicas[1:])
        return found if isinstance(found, int) else 1

    @once
    def paused(self) -> bool:
        """Whether its controller rolls nothing out (Deployment) or starts nothing (Job, CronJob)."""
        return self.entry.paused is not None and objects.value(self.spec, *self.entry.paused[1:]) is True

    @property
    def template_hash(self) -> str:
        """The digest of its pod template."""
        return self.pods.hash

    def same_template(self, other: "Workload") -> bool:
        """Whether `other` has the same pod template, whoever wrote its fields."""
        return self.pods.same(other.pods)

    def same_essence(self, other: "Workload") -> bool:
        """Whether a person wrote the same into the pod template of `other` (see `essence`)."""
        return self.pods.same_essence(other.pods)

    def settings(self) -> dict[str, Any]:
        """The rest of its spec: everything but the pod template, the replicas and the pause switch."""
        return {key: value for key, value in _without(self.raw, self.entry).items() if value is not None}

    def settled_as(self, other: "Workload") -> bool:
        """Whether `other` has the same settings; without making either's, where the template has nothing around it."""
        if self.entry is not other.entry or self.entry.template != TEMPLATE:
            return self.settings() == other.settings()
        mine, others, besides = self.spec, other.spec, self.entry.no_settings
        if mine.keys() != others.keys():
            keys = (mine.keys() | others.keys()) - besides
            return all(objects.same(mine.get(key), others.get(key)) for key in keys)
        for key, found in mine.items():  # a plain loop: it runs at every rollout
            if found != others[key] and key not in besides and not objects.same(found, others[key]):
                return False
        return True

    def __str__(self) -> str:
        """`Kind namespace/name`, as messages name it."""
        return f"{self.kind} {self.namespace}/{self.name}"


class Opened:
    """The stored workloads whose large parts are decoded: the last that were looked at. Of the others they are dropped.

    They are worked out again when they are asked for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: deque[Workload] = deque()

    def add(self, workload: Workload) -> None:
        """Take note of one that is looked at."""
        self._kept.append(workload)
        while len(self._kept) > self._most:
            try:
                earliest = self._kept.popleft()
            except IndexError:  # another thread was faster
                return
            for part in _LARGE:
                with contextlib.suppress(KeyError):
                    del earliest.__dict__[part]  # pop would give each its own table of keys


MOST_OPENED = 64
_LARGE = ("spec", "pods", "around")
opened = Opened(MOST_OPENED)


def _without(raw: KubeObject, entry: WorkloadKind) -> dict[str, Any]:
    if not entry.template:  # a Pod is nothing but its template
        return {}
    spec = {
        key: objects.decoded(found)
        for key, found in objects.fields(raw, "spec").items()
        if key not in entry.no_settings
    }
    if len(entry.template) > len(TEMPLATE):  # CronJob: what surrounds the template inside jobTemplate counts too
        outer = dict(objects.mapping(raw, *entry.template[:-2]))
        inner = dict(objects.mapping(outer, "spec"))
        inner.pop("template", None)
        spec[entry.template[1]] = {**outer, "spec": inner}
    return spec
