"""Kubernetes' arithmetic of disruption: what a budget lets go, and what a rollout takes away. Pure.

Every function follows Kubernetes' own source, cited beside it (k8s.io/kubernetes v1.36), including where it surprises.
"""

from tierguard.disruption.budget import (
    Allowance,
    Budget,
    Controller,
    Expected,
    allowed_when_healthy,
    disruptions_allowed,
    expected,
)
from tierguard.disruption.rollout import RollingUpdateBounds, rolling_update_bounds
from tierguard.disruption.scaled import scaled_value

__all__ = [
    "Allowance",
    "Budget",
    "Controller",
    "Expected",
    "RollingUpdateBounds",
    "allowed_when_healthy",
    "disruptions_allowed",
    "expected",
    "rolling_update_bounds",
    "scaled_value",
]
