"""The rare questions to the API server: for what was created a moment ago and is not in memory yet.

`kubectl apply -f` of a namespace, a budget and a Deployment comes within milliseconds; a watch may be behind. Answers are
bounded in time (well below the API server's patience), in size and in number: each user has a share, so the flood of one
leaves the questions of another answered.
"""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Container
from http import HTTPStatus

from tierguard.api.kinds import FREEZE
from tierguard.api.model import GROUP, VERSION
from tierguard.api.rule_values import RuleId
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api, ApiError
from tierguard.guard.model import objects
from tierguard.guard.model.change import Question
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.webhook.rights import Rights
from tierguard.webhook.shares import Shares
from tierguard.webhook.wire import UserInfo

TIMEOUT = 0.5
"""Seconds one look-up may take: others wait meanwhile."""
PAUSE_SECONDS = 2.0
"""After one that failed nobody is asked for so long: an API server that does not answer would take all the time."""
MOST_PAUSED = 1024
_RIGHTS, _OBJECTS = "rights", "objects"
"""What look-ups are about, beside the lists of one namespace: a pause of one is none of another."""


NOBODY = UserInfo()
"""On whose behalf tierguard asks where nobody is named: they share one share."""
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
        self._shares = Shares()
        self._rights = Rights(2 * TIMEOUT)
        self._lock = threading.Lock()
        self._paused: OrderedDict[str, float] = OrderedDict()
        """Until when nobody asks about what: RBAC, single objects, the lists of one namespace."""

    def namespace(self, name: str, user: UserInfo = NOBODY) -> bool:
        """Learn the labels of namespace `name`, on behalf of `user`."""
        found = self._ask(user, "/api/v1/namespaces/{}", name)
        if found is None:
            return False
        self._cache.learn_namespace(found)
        return True

    def surroundings(self, namespace: str, rules: Container[str], user: UserInfo = NOBODY) -> bool:
        """Learn afresh what in `namespace` the refusals of `rules` say is missing, on behalf of `user`."""
        learned = [
            self._relist(user, namespace, path, api_version, kind)
            for rule, path, api_version, kind in _RESTS_ON_ABSENCE
            if rule in rules
        ]
        return any(learned)

    def _relist(self, user: UserInfo, namespace: str, path: str, api_version: str, kind: str) -> bool:
        if not _NAME.fullmatch(namespace):
            return False
        whole = f"/apis/{api_version}/namespaces/{namespace}/{path}"
        found = self._bounded(user, f"{namespace}/", lambda: self._api.get(whole, timeout=TIMEOUT))
        if found is None:
            return False
        items: list[KubeObject] = [{**item, "kind": kind} for item in found.get("items") or ()]
        self._cache.replace(namespace, kind, items)
        return True

    def may(self, user: UserInfo, question: Question) -> bool | None:
        """What RBAC says about `user`, or said a moment ago; None when it could not be asked."""
        found, known = self._rights.answer(user, question, lambda: self._review(user, question))
        if known:
            self._counted("failed" if found is None else "cached")
        return found

    def _review(self, user: UserInfo, question: Question) -> bool | None:
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
        found = self._bounded(user, _RIGHTS, lambda: self._api.create(path, review, timeout=TIMEOUT))
        return None if found is None else objects.value(found, "status", "allowed") is True

    def workload(self, kind: str, namespace: str, name: str, user: UserInfo = NOBODY) -> KubeObject | None:
        """The workload itself."""
        entry = WORKLOAD_KINDS[kind]
        return self._ask(user, f"{entry.root}/namespaces/{{}}/{entry.resource}/{{}}", namespace, name)

    def _ask(self, user: UserInfo, path: str, *names: str) -> KubeObject | None:
        """What is at `path`, with `names` put into it; None also for what can be nothing's name."""
        if not all(map(_NAME.fullmatch, names)):
            return None
        return self._bounded(user, _OBJECTS, lambda: self._api.get(path.format(*names), timeout=TIMEOUT))

    def _bounded(self, user: UserInfo, about: str, ask: Callable[[], KubeObject]) -> KubeObject | None:
        """What `ask` gets, within bounds; `about` is what waits when it fails."""
        if not self._within_bounds(user, about):
            self._counted("limited")
            return None
        try:
            found = ask()
        except ApiError as error:
            if _sick(error) or about not in (_RIGHTS, _OBJECTS):
                self._pause(about)
            self._counted("failed")
            return None
        self._counted("answered")
        return found

    def _within_bounds(self, user: UserInfo, about: str) -> bool:
        now = time.monotonic()
        with self._lock:
            if now < self._paused.get(about, 0.0):
                return False
        return self._shares.take(user, now)

    def _pause(self, about: str) -> None:
        """Ask nobody about that for a while.

        A list is as long as people make their namespace: one that fails ends no look-up but its own kind in that namespace.
        """
        with self._lock:
            self._paused.pop(about, None)
            self._paused[about] = time.monotonic() + PAUSE_SECONDS
            if len(self._paused) > MOST_PAUSED:
                self._paused.popitem(last=False)


def _sick(error: ApiError) -> bool:
    """Whether it failed for the API server's state, and not for what was asked."""
    overloaded = error.status == HTTPStatus.TOO_MANY_REQUESTS
    return not error.too_large and (overloaded or not error.status or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR)
