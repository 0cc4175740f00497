"""The rare questions to the API server: for what was created a moment ago and is not in memory yet.

`kubectl apply -f` of a namespace, a budget and a Deployment comes within milliseconds; a watch may be behind. Answers are
bounded in time (well below the API server's patience) and in number (a refused caller that tries again and again must not
turn into load).
"""

import re
import threading
import time
from collections.abc import Callable, Container
from http import HTTPStatus

from tierguard.api.kinds import FREEZE
from tierguard.api.model import GROUP, VERSION
from tierguard.api.rules import RuleId
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api, ApiError
from tierguard.guard.model import objects
from tierguard.guard.model.change import Question
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.workload import WORKLOAD_KINDS
from tierguard.webhook.review import UserInfo

TIMEOUT = 0.5
"""Seconds one look-up may take: others wait meanwhile."""
PER_SECOND = 20
"""Look-ups a second, at most."""
PAUSE_SECONDS = 2.0
"""After one that failed nobody is asked for so long: an API server that does not answer would take all the time."""


_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""Names that namespaces and workloads can have. `..`, a slash or nothing at all would be a question about something else."""

_RESTS_ON_ABSENCE = (
    (RuleId.DISRUPTION_BUDGET, "poddisruptionbudgets", "policy/v1", "PodDisruptionBudget"),
    (RuleId.REPLICAS, "horizontalpodautoscalers", "autoscaling/v2", "HorizontalPodAutoscaler"),
    (RuleId.ISOLATION, "networkpolicies", "networking.k8s.io/v1", "NetworkPolicy"),
)


class Lookups:
    """Asks the API server, within bounds. Every method is False or None when there was no answer."""

    def __init__(self, api: Api, cache: ClusterCache, counted: Callable[[str], None]) -> None:
        self._api = api
        self._cache = cache
        self._counted = counted
        self._lock = threading.Lock()
        self._second = 0
        self._used = 0
        self._paused_until = 0.0

    def namespace(self, name: str) -> bool:
        """Learn the labels of namespace `name`."""
        found = self._ask("/api/v1/namespaces/{}", name)
        if found is None:
            return False
        self._cache.learn_namespace(found)
        return True

    def surroundings(self, namespace: str, rules: Container[str]) -> bool:
        """Learn afresh what in `namespace` the refusals of `rules` say is missing."""
        learned = [
            self._relist(namespace, path, api_version, kind)
            for rule, path, api_version, kind in _RESTS_ON_ABSENCE
            if rule in rules
        ]
        return any(learned)

    def _relist(self, namespace: str, path: str, api_version: str, kind: str) -> bool:
        found = self._ask(f"/apis/{api_version}/namespaces/{{}}/{path}", namespace)
        if found is None:
            return False
        items: list[KubeObject] = [{**item, "kind": kind} for item in found.get("items") or ()]
        self._cache.replace(namespace, kind, items)
        return True

    def may(self, user: UserInfo, question: Question) -> bool | None:
        """What RBAC says about `user`; None when it could not be asked."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user.username,
                "uid": user.uid,
                "groups": user.groups,
                "extra": user.extra,
                "resourceAttributes": {
                    "group": GROUP,
                    "version": VERSION,
                    "resource": FREEZE.plural,
                    "verb": question.verb,
                    "name": question.name,
                },
            },
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        found = self._bounded(lambda: self._api.create(path, review, timeout=TIMEOUT))
        return None if found is None else objects.value(found, "status", "allowed") is True

    def workload(self, kind: str, namespace: str, name: str) -> KubeObject | None:
        """The workload itself."""
        entry = WORKLOAD_KINDS[kind]
        root = "apis" if entry.group else "api"
        return self._ask(f"/{root}/{entry.api_version}/namespaces/{{}}/{entry.resource}/{{}}", namespace, name)

    def _ask(self, path: str, *names: str) -> KubeObject | None:
        """What is at `path`, with `names` put into it; None also for what can be nothing's name."""
        if not all(map(_NAME.fullmatch, names)):
            return None
        return self._bounded(lambda: self._api.get(path.format(*names), timeout=TIMEOUT))

    def _bounded(self, ask: Callable[[], KubeObject]) -> KubeObject | None:
        if not self._within_bounds():
            self._counted("limited")
            return None
        try:
            found = ask()
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                self._paused_until = time.monotonic() + PAUSE_SECONDS
            self._counted("failed")
            return None
        self._counted("answered")
        return found

    def _within_bounds(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now < self._paused_until:
                return False
            second = int(now)
            if second != self._second:
                self._second, self._used = second, 0
            self._used += 1
            return self._used <= PER_SECOND
