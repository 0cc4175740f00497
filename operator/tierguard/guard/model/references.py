"""What pods need of other objects: what they read, and the claims that they mount."""

from collections.abc import Iterator

from tierguard.guard.model import objects
from tierguard.guard.model.images import CONTAINER_PARTS
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.workload import Workload

READS = "tierguard.io/reads"
"""In a pod spec that was cut: what its pods read and claim, as lines of `Kind/name`."""
CLAIM = "PersistentVolumeClaim"
EVERYTHING = "*"
"""No name of an object: pods that read so much that it is not kept count as reading everything."""


def references(pod_spec: KubeObject) -> frozenset[tuple[str, str]]:
    """(`ConfigMap`, `Secret` or `ServiceAccount`, name) of all without which pods of `pod_spec` are not made or not started.

    That is what they mount or read into their environment, what their images and volumes are fetched with, and the account
    that they run as.
    """
    if READS in pod_spec:
        return frozenset(found for found in _kept(pod_spec) if found[0] != CLAIM)
    return frozenset((kind, name) for kind, name in _references(pod_spec) if name)


def _kept(pod_spec: KubeObject) -> Iterator[tuple[str, str]]:
    for line in str(pod_spec[READS]).splitlines():
        kind, _, name = line.partition("/")
        yield kind, name


def reads(pod_spec: KubeObject) -> str:
    """What `READS` says of `pod_spec`."""
    claimed = {(CLAIM, name) for name in claims_of(pod_spec)}
    return "\n".join(f"{kind}/{name}" for kind, name in sorted(references(pod_spec) | claimed))


_SECRET_OF_VOLUME = {
    "azureFile": ("secretName",),
    "cephfs": ("secretRef", "name"),
    "csi": ("nodePublishSecretRef", "name"),
    "flexVolume": ("secretRef", "name"),
    "iscsi": ("secretRef", "name"),
    "rbd": ("secretRef", "name"),
    "scaleIO": ("secretRef", "name"),
    "storageos": ("secretRef", "name"),
}
"""Where volumes that are no Secrets name the one that they are mounted with (core/v1 VolumeSource)."""


def _references(pod_spec: KubeObject) -> Iterator[tuple[str, str]]:
    if pod_spec:
        written = pod_spec.get("serviceAccountName") or pod_spec.get("serviceAccount") or "default"
        yield "ServiceAccount", str(written)
    for secret in objects.sequence(pod_spec, "imagePullSecrets"):
        yield "Secret", str(objects.value(secret, "name") or "")
    for volume in objects.sequence(pod_spec, "volumes"):
        for source in (volume, *objects.sequence(volume, "projected", "sources")):
            yield "ConfigMap", str(objects.value(source, "configMap", "name") or "")
            # A volume names its secret `secretName`, a projected source `name`.
            secret = objects.mapping(source, "secret")
            yield "Secret", str(secret.get("secretName") or secret.get("name") or "")
        for kind, path in _SECRET_OF_VOLUME.items():
            yield "Secret", str(objects.value(volume, kind, *path) or "")
    for part in CONTAINER_PARTS:
        for container in objects.sequence(pod_spec, part):
            for source in objects.sequence(container, "envFrom"):
                yield "ConfigMap", str(objects.value(source, "configMapRef", "name") or "")
                yield "Secret", str(objects.value(source, "secretRef", "name") or "")
            for variable in objects.sequence(container, "env"):
                yield "ConfigMap", str(objects.value(variable, "valueFrom", "configMapKeyRef", "name") or "")
                yield "Secret", str(objects.value(variable, "valueFrom", "secretKeyRef", "name") or "")


def claims(workload: Workload) -> frozenset[str]:
    """Names of the PersistentVolumeClaims that pods of `workload` name; those made from templates are not among them."""
    return claims_of(workload.pod_spec)


def claims_of(pod_spec: KubeObject) -> frozenset[str]:
    """The same of a pod spec."""
    if READS in pod_spec:
        return frozenset(name for kind, name in _kept(pod_spec) if kind == CLAIM)
    volumes = objects.sequence(pod_spec, "volumes")
    named = (objects.value(volume, "persistentVolumeClaim", "claimName") for volume in volumes)
    return frozenset(str(name) for name in named if name)


def claim_prefixes(workload: Workload) -> tuple[str, ...]:
    """`<template>-<name>-` of each claim template of a StatefulSet: its claims have an ordinal behind it."""
    if workload.kind != "StatefulSet":
        return ()
    templates = objects.sequence(workload.raw, "spec", "volumeClaimTemplates")
    return tuple(f"{objects.name(template)}-{workload.name}-" for template in templates)
