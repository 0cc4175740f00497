"""What is in a cluster now, listed once: page by page, bounded, and with errors that a person can act on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import kubernetes.client
import kubernetes.config
import yaml

from tierguard.api.kinds import POLICY
from tierguard.api.model import API_VERSION, GROUP
from tierguard.cli.errors import InputError
from tierguard.cli.picture import picture
from tierguard.cluster.access import by_configuration
from tierguard.cluster.client import Api, ApiError
from tierguard.cluster.pages import PAGE, Pages
from tierguard.cluster.reflector import Collection
from tierguard.cluster.trim import trim
from tierguard.guard.model import objects
from tierguard.guard.model.facts import PlacedPod
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS

MOST_OBJECTS = 250_000
"""Objects of one kind: more than that is no cluster that this is meant for, or an endless answer."""
PAGE_SECONDS = 60.0
# The loader checks little: a file that is no YAML, or a part of the wrong type, fails somewhere inside it.
_UNUSABLE = (
    kubernetes.config.ConfigException,
    yaml.YAMLError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
)

_SCANNED = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")

_COLLECTIONS = {
    collection.kind: collection
    for collection in (
        Collection(f"/apis/{API_VERSION}/{POLICY.plural}", API_VERSION, POLICY.kind),
        Collection("/api/v1/namespaces", "v1", "Namespace"),
        *(
            Collection(f"/apis/{entry.api_version}/{entry.resource}", entry.api_version, entry.kind)
            for entry in map(WORKLOAD_KINDS.__getitem__, (*_SCANNED, "CronJob"))
        ),
        Collection("/apis/policy/v1/poddisruptionbudgets", "policy/v1", "PodDisruptionBudget"),
        Collection("/api/v1/services", "v1", "Service"),
        Collection("/apis/autoscaling/v2/horizontalpodautoscalers", "autoscaling/v2", "HorizontalPodAutoscaler"),
        Collection("/apis/networking.k8s.io/v1/networkpolicies", "networking.k8s.io/v1", "NetworkPolicy"),
        Collection("/api/v1/nodes", "v1", "Node"),
        Collection("/api/v1/pods", "v1", "Pod"),
    )
}

_CLASSIFYING = (POLICY.kind, "Namespace", *_SCANNED, "PodDisruptionBudget", "Service")
FOR_RULES = (*_CLASSIFYING, "CronJob", "HorizontalPodAutoscaler", "NetworkPolicy")
"""What the tier rules read of a change."""
FOR_PLACEMENT = (*_CLASSIFYING, "Node", "Pod")
"""What tells which pods are where, which workloads they are of, and what guards them."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A cluster as it was listed: its `state`, and the disruption budgets as they are stored, with their status."""

    state: State
    budgets: tuple[KubeObject, ...]


def connect(kubeconfig: Path | None, context: str | None) -> Api:
    """A connection to the cluster of `context`. Raises InputError."""
    configuration = kubernetes.client.Configuration()
    try:
        if kubeconfig is None and context is None:
            kubernetes.config.load_config(client_configuration=configuration)
        else:
            path = None if kubeconfig is None else str(kubeconfig)
            kubernetes.config.load_kube_config(path, context=context, client_configuration=configuration)
    except _UNUSABLE as error:
        message = f"no cluster: {objects.printable(str(error), 300)}; name one by --kubeconfig or --context"
        raise InputError(message) from None
    return Api(by_configuration(configuration))


def listed(api: Api, kinds: Iterable[str]) -> Listed:
    """The cluster as far as objects of `kinds` go. Raises InputError that names the list which failed."""
    known: list[KubeObject] = []
    pods: list[PlacedPod] = []
    for kind in kinds:
        for raw in _all(api, _COLLECTIONS[kind]):
            if kind == "Pod" and (pod := PlacedPod.of(raw)) is not None:
                pods.append(pod)
            if kind != "Pod" or objects.controller_of(raw) is None:
                known.append(raw)
    state = picture(known)
    state.pods_in = {}
    for pod in pods:
        state.pods_in.setdefault(pod.namespace, {})[pod.name] = pod
    return Listed(state, tuple(raw for raw in known if raw["kind"] == "PodDisruptionBudget"))


def _all(api: Api, collection: Collection) -> list[KubeObject]:
    try:
        return _pages(api, collection)
    except ApiError as error:
        if error.status != HTTPStatus.GONE:
            raise _explained(error, collection) from None
    try:
        return _pages(api, collection)  # the list was too old to go on with: from the beginning, once
    except ApiError as error:
        raise _explained(error, collection) from None


def _pages(api: Api, collection: Collection) -> list[KubeObject]:
    found: list[KubeObject] = []
    try:
        for page in Pages().read(api, collection.path, collection.query, PAGE_SECONDS, most=PAGE):
            found += _kept(page.objects(), collection)
            if len(found) > MOST_OBJECTS:
                message = f"there are more than {MOST_OBJECTS} {_plural(collection)}: too many to simulate"
                raise InputError(message)
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND and collection.kind == POLICY.kind:
            return []  # tierguard is not installed there: all the more reason to simulate
        raise
    return found


def _kept(items: Iterable[Any], collection: Collection) -> Iterator[KubeObject]:
    """`items`, with what lists leave out put back, and without what nothing here reads."""
    for item in items:
        obj = trim({**item, "apiVersion": collection.api_version, "kind": collection.kind})
        metadata = dict(objects.mapping(obj, "metadata"))
        metadata.pop("managedFields", None)
        obj["metadata"] = metadata
        if collection.kind == "ReplicaSet" and objects.controller_of(obj) is not None:
            obj.pop("spec", None)
            obj.pop("status", None)
        yield obj


def _plural(collection: Collection) -> str:
    return collection.path.rpartition("/")[2]


def _explained(error: ApiError, collection: Collection) -> InputError:
    what = _plural(collection)
    said = objects.printable(error.message, 250)
    if error.status == HTTPStatus.FORBIDDEN:
        group = GROUP if collection.kind == POLICY.kind else collection.api_version.rpartition("/")[0]
        of_group = f" of {group}" if group else ""
        return InputError(f"may not list {what}{of_group} in the whole cluster, which needs get and list there: {said}")
    if error.status == HTTPStatus.UNAUTHORIZED:
        return InputError(f"cannot list {what}: the API server does not know this user: {said}")
    return InputError(f"cannot list {what}: {error.status or 'no answer from the API server'}: {said}")
