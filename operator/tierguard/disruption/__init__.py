"""Kubernetes' arithmetic of disruption: what a budget lets go, and what a rollout takes away. Pure.

Every function follows Kubernetes' own source, cited beside it (k8s.io/kubernetes v1.36), including where it surprises.
"""

from tierguard.disruption.budget import (
    MANAGED_BY,
    OPERATOR,
    OPERATOR_PREFIX,
    Allowance,
    Budget,
    Controller,
    Expected,
    allowed_when_healthy,
    disruptions_allowed,
    expected,
    safe_maximum,
)
from tierguard.disruption.eviction import Eviction, eviction
from tierguard.disruption.rollout import (
    NodeBounds,
    RollingUpdateBounds,
    daemon_set_bounds,
    rolling_update_bounds,
    stateful_set_unavailable,
)
from tierguard.disruption.scaled import scaled_value

__all__ = [
    "MANAGED_BY",
    "OPERATOR",
    "OPERATOR_PREFIX",
    "Allowance",
    "Budget",
    "Controller",
    "Eviction",
    "Expected",
    "NodeBounds",
    "RollingUpdateBounds",
    "allowed_when_healthy",
    "daemon_set_bounds",
    "disruptions_allowed",
    "eviction",
    "expected",
    "rolling_update_bounds",
    "safe_maximum",
    "scaled_value",
    "stateful_set_unavailable",
]
