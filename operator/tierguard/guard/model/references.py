"""What pods need of other objects: what they read, and the claims that they mount."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from tierguard.guard.model.container_spec import Named
from tierguard.guard.model.pod import CONTAINER_PARTS, PodSpec, Projected, SecretUser, Volume

CLAIM = "PersistentVolumeClaim"
EVERYTHING = "*"
"""No name of an object: pods that read so much that it is not kept count as reading everything."""


def references(pod: PodSpec) -> frozenset[tuple[str, str]]:
    """(`ConfigMap`, `Secret` or `ServiceAccount`, name) of all without which pods are not made or not started.

    That is what they mount or read into their environment, what their images and volumes are fetched with, and the account
    that they run as. A pod without containers is none: it needs nothing.
    """
    if pod.reads is not None:
        return _shared(frozenset(found for found in _kept(pod.reads) if found[0] != CLAIM))
    return _shared(frozenset((kind, name) for kind, name in _references(pod) if name))


@lru_cache(maxsize=1024)
def _shared(found: frozenset[Any]) -> frozenset[Any]:
    """`found`, or an equal one from before: most workloads need the same few things, or nothing."""
    return found


def _kept(written: str) -> Iterator[tuple[str, str]]:
    for line in written.splitlines():
        kind, _, name = line.partition("/")
        yield kind, name


def reads(pod: PodSpec) -> str:
    """What `READS` says of `pod`."""
    claimed = {(CLAIM, name) for name in claims(pod)}
    return "\n".join(f"{kind}/{name}" for kind, name in sorted(references(pod) | claimed))


def _references(pod: PodSpec) -> Iterator[tuple[str, str]]:
    if pod != _NO_POD:
        yield "ServiceAccount", pod.service_account_name or pod.service_account or "default"
    for secret in pod.image_pull_secrets:
        yield "Secret", secret.name
    for volume in pod.volumes:
        yield from _mounted(volume)
    for part in CONTAINER_PARTS:
        for container in pod.part(part):
            for source in container.env_from:
                yield from _named(source.config_map_ref, source.secret_ref)
            for variable in container.env:
                if (found := variable.value_from) is not None:
                    yield from _named(found.config_map_key_ref, found.secret_key_ref)


_NO_POD = PodSpec()


def _named(config_map: Named | None, secret: Named | None) -> Iterator[tuple[str, str]]:
    if config_map is not None:
        yield "ConfigMap", config_map.name
    if secret is not None:
        yield "Secret", secret.name


def _mounted(volume: Volume) -> Iterator[tuple[str, str]]:
    sources: tuple[Volume | Projected, ...] = (volume,)
    if volume.projected is not None:
        sources += volume.projected.sources
    for source in sources:
        if source.config_map is not None:
            yield "ConfigMap", source.config_map.name
        if source.secret is not None:
            yield "Secret", source.secret.secret_name or source.secret.name
    for user in (
        *(volume.azure_file, volume.cephfs, volume.csi, volume.flex_volume),
        *(volume.iscsi, volume.rbd, volume.scale_io, volume.storageos),
    ):
        if user is not None:
            yield "Secret", _secret_of(user)


def _secret_of(user: SecretUser) -> str:
    named = user.secret_ref or user.node_publish_secret_ref
    return user.secret_name or ("" if named is None else named.name)


def claims(pod: PodSpec) -> frozenset[str]:
    """Names of the PersistentVolumeClaims that pods name; those made from templates are not among them."""
    if pod.reads is not None:
        return _shared(frozenset(name for kind, name in _kept(pod.reads) if kind == CLAIM))
    named = (v.persistent_volume_claim.claim_name for v in pod.volumes if v.persistent_volume_claim is not None)
    return _shared(frozenset(name for name in named if name))
