"""Every guarded kind, by kind: the one list that all else follows from. A further kind is a file here and its cases."""

from collections.abc import Mapping

from tierguard.guard.resources.autoscalers import AUTOSCALER, SCALED_OBJECT
from tierguard.guard.resources.budgets import BUDGET
from tierguard.guard.resources.claims import CLAIM
from tierguard.guard.resources.configuration import CONFIG_MAP, SECRET, SERVICE_ACCOUNT
from tierguard.guard.resources.definitions import DEFINITION
from tierguard.guard.resources.limits import LIMIT_RANGE, RESOURCE_QUOTA
from tierguard.guard.resources.namespaces import NAMESPACE
from tierguard.guard.resources.own import OWN
from tierguard.guard.resources.resource import Resource
from tierguard.guard.resources.revisions import CONTROLLER_REVISION
from tierguard.guard.resources.traffic import INGRESS, NETWORK_POLICY, SERVICE
from tierguard.guard.resources.workloads import WORKLOADS

AROUND: tuple[Resource, ...] = (
    *WORKLOADS,
    NAMESPACE,
    CLAIM,
    CONFIG_MAP,
    SECRET,
    SERVICE_ACCOUNT,
    SERVICE,
    INGRESS,
    NETWORK_POLICY,
    BUDGET,
    AUTOSCALER,
    RESOURCE_QUOTA,
    LIMIT_RANGE,
    CONTROLLER_REVISION,
)
"""Workloads and what is around them: what a freeze may hold."""

OF_MEMBERS = ("Pod", "StatefulSet")
"""Owners of the claims that go with a StatefulSet, with a member, or with a pod: made again, they need them gone."""

REGISTRY: Mapping[str, Resource] = {resource.kind: resource for resource in (*AROUND, *OWN, DEFINITION, SCALED_OBJECT)}
"""The same, with tierguard's own kinds, their definitions, and what only the command meets."""
