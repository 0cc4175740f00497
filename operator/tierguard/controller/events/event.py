"""Events: what the operator tells people, once each. Pure.

An event's name is made of what it tells and when that happened, so that telling it again (after a restart, by a standby)
is refused by the API server as a duplicate instead of being told twice.
"""

import hashlib
from datetime import datetime
from typing import Any

from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

REPORTER = "tierguard.io/operator"


def event(
    regarding: KubeObject,
    *,
    reason: str,
    note: str,
    action: str,
    at: datetime,
    now: datetime,
    warning: bool = False,
    distinct: str = "",
) -> KubeObject:
    """An events.k8s.io/v1 Event about `regarding`: `reason` is CamelCase, `note` the text, `at` when it happened.

    `distinct` tells apart what happened at the same instant for the same reason.
    """
    name, uid = objects.name(regarding), objects.uid(regarding)
    namespace = objects.namespace(regarding) or "default"  # where events about cluster-scoped objects live
    digest = hashlib.sha256(f"{uid}/{reason}/{at.isoformat()}/{distinct}".encode()).hexdigest()[:16]
    reference: dict[str, Any] = {
        "apiVersion": regarding.get("apiVersion"),
        "kind": regarding.get("kind"),
        "name": name,
        "uid": uid,
    }
    if objects.namespace(regarding):
        reference["namespace"] = namespace
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{name[:200]}.{digest}", "namespace": namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "action": action,
        "note": objects.printable(note, 1000),
        "regarding": reference,
        "reportingController": REPORTER,
        "reportingInstance": "tierguard-operator",
    }


def path(posted: KubeObject) -> str:
    """Where `posted` is created."""
    return f"/apis/events.k8s.io/v1/namespaces/{objects.namespace(posted)}/events"
