"""The watched cluster as a `State`: reflectors feed it, decisions read it."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from tierguard.cluster import record
from tierguard.cluster.around import Source, around
from tierguard.cluster.changes import Changes
from tierguard.cluster.client import Api
from tierguard.cluster.declared import Declared
from tierguard.cluster.known import Form, Known, differs, place
from tierguard.cluster.notes import Notes
from tierguard.cluster.reflector import PARTIAL, Collection, Compare, Reflector
from tierguard.cluster.watched import WATCHED_WORKLOADS, kept
from tierguard.disruption import Budget
from tierguard.guard.model import objects
from tierguard.guard.model.facts import Autoscaler, selected_pods
from tierguard.guard.model.identities import Identities
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import Revision, State, WorkloadKey
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.rules.disruption_budget import MADE_BY_OPERATOR
from tierguard.guard.tiers.deletion import announced

log = logging.getLogger(__name__)

_DIGESTED = frozenset(
    {
        *("Namespace", "Service", "ServiceAccount"),
        *("PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy"),
    }
)
"""Kinds whose objects are not kept: the `State` has everything that decisions read of them."""
_READ_ONCE = (record.ACCOUNT, record.OBSERVED)
PREPARE_SECONDS = 1800.0
"""How often calendars are computed ahead."""

MANAGED_BY = "app.kubernetes.io/managed-by"

Listener = Callable[[str, KubeObject], None]
Told = Callable[[KubeObject | None, KubeObject | None], None]


class ClusterCache:
    """Keeps a `State` equal to the cluster, as far as decisions need it.

    `namespace` is tierguard's own, where the rollback record is. `listener` is called on a reflector's thread with the kind
    and the object of every change. `compare` is called, after the first list of a kind, with each object before (None: it is
    new) and after (None: it is gone) each change. `status` says whether the status of workloads is kept: only the operator
    reads it. With `configuration` the metadata of all ConfigMaps is watched, and passed to `compare` alone.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        identities: Identities,
        *,
        status: bool = False,
        immutable_tags: tuple[str, ...] = (),
        listener: Listener | None = None,
        compare: Told | None = None,
        configuration: bool = False,
    ) -> None:
        self.notes = Notes()
        """What tierguard wrote down in its own namespace."""
        self.state = State(
            available=self.notes.records, identities=identities, immutable_tags=immutable_tags, revisions={}
        )
        self._declared = Declared(self.state)
        self.raw = self._declared.raw
        """Our own kinds as stored, by kind and name."""
        self._stopping = threading.Event()
        self._status = status
        self._listener = listener or (lambda _kind, _obj: None)
        self._compare = compare or (lambda _before, _after: None)
        self._configuration = configuration
        self.managed_budgets = Known()
        """The disruption budgets that the operator made; only where status is kept."""
        self.jobs: dict[tuple[str, str], KubeObject] = {}
        """Jobs, by namespace and name; only where status is kept."""
        self.leaving: set[str] = set()
        """Namespaces that are being deleted, with all that is in them."""
        self.changes = Changes()
        """What tells that anything changed."""
        self._reflectors = [
            Reflector(api, self._known_as(s), self._changed(s), self._gone(s), partial(kept, status=status))
            for s in self._sources(namespace)
        ]

    def start(self) -> None:
        """Begin to list and watch; returns at once."""
        for reflector in self._reflectors:
            reflector.start()

        threading.Thread(target=self._prepare, name="calendars", daemon=True).start()

    def stop(self) -> None:
        """End all watches."""
        self._stopping.set()
        for reflector in self._reflectors:
            reflector.stop()

    def _prepare(self) -> None:
        """Compute calendars ahead of the reviews that will ask for them."""
        while not self._stopping.wait(PREPARE_SECONDS):
            now = datetime.now(UTC)
            for hold in (*self.state.freezes, *self.state.windows):
                hold.timeline.prepare(now)

    def unsynced(self) -> list[str]:
        """The kinds whose first list is not complete yet."""
        # Without the right to list ConfigMaps everything else goes on.
        return [r.collection.kind for r in self._reflectors if r.staleness() is None and not r.collection.metadata_only]

    def staleness(self) -> Mapping[str, float | None]:
        """By kind, the seconds since the API server was last heard of; None before the first list."""
        return {reflector.collection.kind: reflector.staleness() for reflector in self._reflectors}

    def replace(self, namespace: str, kind: str, raw: list[KubeObject]) -> None:
        """Take `raw`, fresh from the API server, for all objects of `kind` in `namespace`."""
        if kind == "PodDisruptionBudget":
            self.state.budgets_in[namespace] = tuple(Budget.of(obj) for obj in raw)
        elif kind == "HorizontalPodAutoscaler":
            self.state.autoscalers_in[namespace] = {f"{kind}/{objects.name(obj)}": Autoscaler.of(obj) for obj in raw}
        elif kind == "NetworkPolicy":
            self.state.network_policies_in[namespace] = {objects.name(obj): selected_pods(obj) for obj in raw}

    def _sources(self, namespace: str) -> list[Source]:
        sources = self._declared.sources()
        sources += [
            Source(
                Collection(entry.path, entry.api_version, entry.kind, form=Form.SHARED),
                self._workload_changed,
                self._workload_gone,
            )
            for entry in map(WORKLOAD_KINDS.__getitem__, WATCHED_WORKLOADS)
        ]
        if self._status:
            jobs = Collection("/apis/batch/v1/jobs", "batch/v1", "Job", form=Form.SHARED)
            sources.append(Source(jobs, self._job_changed, self._job_gone))
        if self._configuration:
            config_maps = Collection("/api/v1/configmaps", "meta.k8s.io/v1", PARTIAL, metadata_only=True)
            sources.append(Source(config_maps, _nothing, _nothing))
        return [
            *sources,
            Source(Collection("/api/v1/namespaces", "v1", "Namespace"), self._namespace_changed, self._namespace_gone),
            *around(self.state, placement=self._status),
            Source(
                Collection("/apis/policy/v1/poddisruptionbudgets", "policy/v1", "PodDisruptionBudget"),
                self._budget_changed,
                self._budget_gone,
            ),
            Source(
                Collection(
                    f"/api/v1/namespaces/{namespace}/configmaps",
                    "v1",
                    "ConfigMap",
                    {"labelSelector": record.ALL_RECORDS if self._status else record.SELECTOR},
                ),
                self.notes.changed,
                self.notes.gone,
            ),
        ]

    def _known_as(self, source: Source) -> Collection:
        """What is watched. Only the operator asks what an object was before, or what became of one that decisions read."""
        digests = not self._status and source.collection.kind in _DIGESTED
        return replace(source.collection, form=Form.DIGEST) if digests else source.collection

    def _changed(self, source: Source) -> Compare:
        def changed(before: KubeObject | None, obj: KubeObject) -> None:
            source.changed(obj)
            if self._complete(source.collection.kind):
                self._compare(before, obj)
            self._tell(source, obj)

        return changed

    def _gone(self, source: Source) -> Callable[[KubeObject], None]:
        def gone(obj: KubeObject) -> None:
            source.gone(obj)
            self._compare(obj, None)
            self._tell(source, obj)

        return gone

    def _tell(self, source: Source, obj: KubeObject) -> None:
        if source.collection.metadata_only:
            self.changes.configured(obj)
            return  # nobody decides by it
        if obj.get("kind") == "ConfigMap" and objects.labels(obj).get(record.RECORD_LABEL) in _READ_ONCE:
            return  # the operator's own, which it reads when it begins to lead
        self.changes.changed(obj)
        self._listener(str(obj.get("kind")), obj)

    def _workload_changed(self, obj: KubeObject) -> None:
        namespace, key = objects.namespace(obj), (str(obj["kind"]), objects.namespace(obj), objects.name(obj))
        there = self.state.workloads_in.setdefault(namespace, {})
        before = there.get(key)
        there[key] = obj
        if before is not None and objects.uid(before) != objects.uid(obj):
            self.changes.departed()
        if before is None or differs(before, obj, status=self._status):
            self._revise(key)

    def _revise(self, key: WorkloadKey) -> None:
        """Have what was worked out from the workload worked out again."""
        if (revisions := self.state.revisions) is not None:
            revisions.setdefault(key[1], Revision()).note(key)

    def _complete(self, kind: str) -> bool:
        """Whether the first list of `kind` is in: what comes later is news."""
        return any(r.collection.kind == kind and r.staleness() is not None for r in self._reflectors)

    def known(self, kind: str) -> Known:
        """The objects of `kind` as they were watched, trimmed."""
        found = (r.known() for r in self._reflectors if r.collection.kind == kind)
        return next(found, Known())

    def knows_configuration(self) -> bool:
        """Whether the ConfigMaps are listed, or nobody wants them."""
        return not self._configuration or self._complete(PARTIAL)

    def _workload_gone(self, obj: KubeObject) -> None:
        key = (str(obj["kind"]), objects.namespace(obj), objects.name(obj))
        self.state.workloads_in.get(key[1], {}).pop(key, None)
        self.changes.departed()
        self._revise(key)

    def learn_namespace(self, obj: KubeObject) -> None:
        """Take `obj`, fresh from the API server, for a namespace that no watch has delivered yet."""
        if objects.name(obj) not in self.state.namespaces:
            self._namespace_changed(obj)

    def _namespace_changed(self, obj: KubeObject) -> None:
        name, labels = objects.name(obj), objects.labels(obj)
        if self.state.namespaces.get(name) != labels:  # what is kept for a namespace knows it by the same labels object
            self.state.namespaces[name] = labels
        if objects.value(obj, "metadata", "deletionTimestamp") is not None:
            self.leaving.add(objects.name(obj))
        if announced(obj):
            self.state.announced.add(objects.name(obj))
        else:
            self.state.announced.discard(objects.name(obj))

    def _namespace_gone(self, obj: KubeObject) -> None:
        self.state.namespaces.pop(objects.name(obj), None)
        self.leaving.discard(objects.name(obj))
        self.state.announced.discard(objects.name(obj))
        self.state.services_in.pop(objects.name(obj), None)
        self.state.workloads_in.pop(objects.name(obj), None)
        self.state.budgets_in.pop(objects.name(obj), None)
        self.state.autoscalers_in.pop(objects.name(obj), None)
        self.state.network_policies_in.pop(objects.name(obj), None)
        self.state.pods_in.pop(objects.name(obj), None)
        self.state.pull_secrets_in.pop(objects.name(obj), None)
        self.state.indexes.pop(objects.name(obj), None)

    def _budget_changed(self, obj: KubeObject) -> None:
        namespace = objects.namespace(obj)
        others = (b for b in self.state.budgets_in.get(namespace, ()) if b.name != objects.name(obj))
        self.state.budgets_in[namespace] = (*others, Budget.of(obj))
        # Both: somebody may copy the label together with a manifest, and nobody else's budget is ever removed.
        ours = objects.labels(obj).get(MANAGED_BY) == "tierguard" and objects.name(obj).startswith(MADE_BY_OPERATOR)
        if ours and self._status:
            self.managed_budgets.put(place(obj), obj)
        else:
            self.managed_budgets.pop(place(obj))

    def _budget_gone(self, obj: KubeObject) -> None:
        namespace = objects.namespace(obj)
        others = (b for b in self.state.budgets_in.get(namespace, ()) if b.name != objects.name(obj))
        self.state.budgets_in[namespace] = tuple(others)
        self.managed_budgets.pop(place(obj))

    def _job_changed(self, obj: KubeObject) -> None:
        self.jobs[(objects.namespace(obj), objects.name(obj))] = obj

    def _job_gone(self, obj: KubeObject) -> None:
        self.jobs.pop((objects.namespace(obj), objects.name(obj)), None)


def _nothing(_: KubeObject) -> None:
    """Nothing is kept of it but what its reflector keeps."""
