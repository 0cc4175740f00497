"""ConfigMaps, Secrets and ServiceAccounts: what a guarded workload reads, changed behind its pod template.

A ConfigMap swapped at month end breaks as much as a new image. Contents are compared and dropped: no finding, log line or
event has any of them.
"""

from datetime import datetime

from tierguard.guard.message import ALLOWED_AS_IS
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Decision
from tierguard.guard.model.state import State
from tierguard.guard.resources.resource import (
    ALL,
    ANNOTATIONS,
    CHANGES,
    FINALIZERS,
    OWNERS,
    Resource,
    Tie,
)
from tierguard.guard.resources.surroundings import blocked_by_workloads, gone_already, there


def evaluate_configuration(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a ConfigMap or Secret by what freezes and windows say about the workloads that read it."""
    if change.user in state.identities.rotators or gone_already(change):
        return ALLOWED_AS_IS
    return blocked_by_workloads(change, there(change, state).readers(change.kind, change.name), state, now)


def evaluate_account(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a ServiceAccount by what freezes say about the workloads that run as it."""
    if gone_already(change):
        return ALLOWED_AS_IS
    users = there(change, state).readers(change.kind, change.name)
    return blocked_by_workloads(change, users, state, now, windows=False)


CONFIG_MAP = Resource(
    kind="ConfigMap",
    group="",
    version="v1",
    resource="configmaps",
    evaluate=evaluate_configuration,
    held=(("data",), ("binaryData",), OWNERS, FINALIZERS),
    ties=frozenset({Tie.NAME}),
    operations=ALL,
    exempt_rotators=True,
)
SECRET = Resource(
    kind="Secret",
    group="",
    version="v1",
    resource="secrets",
    evaluate=evaluate_configuration,
    held=(("data",), ("stringData",), ("type",), OWNERS, FINALIZERS),
    ties=frozenset({Tie.NAME}),
    operations=ALL,
    exempt_rotators=True,
)
SERVICE_ACCOUNT = Resource(
    kind="ServiceAccount",
    group="",
    version="v1",
    resource="serviceaccounts",
    evaluate=evaluate_account,
    # Its annotations choose the role that it has with a cloud.
    held=(("imagePullSecrets",), ("secrets",), ("automountServiceAccountToken",), ANNOTATIONS, OWNERS, FINALIZERS),
    ties=frozenset({Tie.NAME}),
    operations=CHANGES,
)
