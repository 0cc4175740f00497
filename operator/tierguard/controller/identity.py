"""What the operator has to have before it can do anything: certificates, an installation date, and its own name."""

import logging
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlparse

from tierguard.cluster.client import Api
from tierguard.controller.certificates import Pair, make_authority, make_leaf, pair_in, secret
from tierguard.controller.options import FIELD_MANAGER, Options
from tierguard.guard import objects
from tierguard.guard.objects import KubeObject

log = logging.getLogger(__name__)

INSTALLATION = "tierguard-installation"


def own_name(api: Api) -> str:
    """The user name that the API server knows this process by."""
    review = api.create(
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
    )
    return str(objects.value(review, "status", "userInfo", "username"))


def installed_at(api: Api, namespace: str) -> datetime:
    """When tierguard was installed: the creation of a ConfigMap that is made once and that `helm upgrade` leaves alone."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    found = api.find(f"{path}/{INSTALLATION}")
    if found is None:
        found = api.create(
            path,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": INSTALLATION,
                    "namespace": namespace,
                    "labels": {"app.kubernetes.io/managed-by": "tierguard"},
                },
            },
        )
    return datetime.fromisoformat(str(objects.value(found, "metadata", "creationTimestamp")))


def ensure_certificates(api: Api, options: Options, now: datetime) -> bytes:
    """Make sure that the CA and a leaf for today's names exist; returns the CA's certificate (PEM)."""
    authority = _ensure_authority(api, options, now)
    path = _secret_path(options.namespace, options.serving_secret)
    leaf = pair_in(api.find(path))
    names = serving_names(options)
    if leaf is None or not leaf.signed_by(authority) or not names <= leaf.names() or _over(leaf, now):
        made = secret(
            options.namespace, options.serving_secret, make_leaf(authority, names, now), authority.certificate
        )
        _put(api, path, made)
        log.info("made a serving certificate", extra={"names": sorted(names)})
    return authority.certificate


def _ensure_authority(api: Api, options: Options, now: datetime) -> Pair:
    path = _secret_path(options.namespace, options.authority_secret)
    known = pair_in(api.find(path))
    if known is not None and not _over(known, now):
        return known
    made = make_authority(now)
    _put(api, path, secret(options.namespace, options.authority_secret, made))
    log.info("made a certificate authority")
    return made


def _over(pair: Pair, now: datetime) -> bool:
    return now >= pair.loaded().not_valid_after_utc


def _put(api: Api, path: str, body: KubeObject) -> None:
    """Create or replace a Secret. Server-side apply would create too, but RBAC can then not be kept to names."""
    if api.find(path) is None:
        api.create(path.rpartition("/")[0], body)
    else:
        api.merge(path, {"data": body["data"]}, FIELD_MANAGER)


def _secret_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def serving_names(options: Options) -> frozenset[str]:
    """The names under which the API server calls the webhook."""
    service, namespace = options.endpoint.service, options.endpoint.namespace
    names = {f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local", f"{service}.{namespace}"}
    host = urlparse(options.endpoint.url).hostname if options.endpoint.url else None
    if host:
        try:
            names.add(str(ip_address(host)))
        except ValueError:
            names.add(host)
    return frozenset(names)
