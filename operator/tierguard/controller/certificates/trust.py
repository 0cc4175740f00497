"""What the operator has to have before it can do anything: certificates, an installation date, and its own name."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlparse

from tierguard.cluster.client import Api, ApiError
from tierguard.cluster.review_path import KEY, encode, known, parse
from tierguard.controller.certificates import review_paths
from tierguard.controller.certificates.authority import (
    Pair,
    authority_in,
    authority_secret,
    bundle_in,
    data_in,
    leaf_due,
    make_leaf,
    next_step,
    pair_in,
    renewed,
    secret,
    serving_data,
)
from tierguard.controller.options import FIELD_MANAGER, Options
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

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


@dataclass(frozen=True, slots=True)
class Trust:
    """What the API server has to trust (PEM), when there is something to do next, and when what is served expires.

    `path` is the one on which it calls the webhook.
    """

    bundle: bytes
    next_step: datetime
    authority_expires: datetime
    leaf_expires: datetime
    path: str


def ensure_certificates(api: Api, options: Options, now: datetime) -> Trust:
    """Make sure that the CA and a leaf for today's names exist and are fresh. Raises ApiError."""
    if options.certificates_from_elsewhere:
        return _from_elsewhere(api, options, now)
    path = _secret_path(options.namespace, options.authority_secret)
    stored = authority_in(api.find(path))
    authority = renewed(stored, options.lifetimes, now)
    if authority != stored:
        _put(api, path, authority_secret(options.namespace, options.authority_secret, authority))
        log.info("renewed the certificate authority", extra={"expires": authority.current.expires().isoformat()})
    path = _secret_path(options.namespace, options.serving_secret)
    found = api.find(path)
    leaf, paths = pair_in(found), parse(data_in(found, KEY))
    names = serving_names(options)
    wanted: dict[str, bytes] = {}
    if leaf is None or leaf_due(leaf, authority, names, now):
        leaf = make_leaf(authority.current, names, now, options.lifetimes.leaf)
        wanted |= serving_data(leaf, authority.current.certificate)
        log.info("making a serving certificate", extra={"names": sorted(names)})
    if review_paths.due(paths, now):
        paths = review_paths.renewed(paths, configured_path(api, options), now)
        wanted[KEY] = encode(paths)
        log.info("making a path for the webhook")
    if wanted:  # at once: a webhook that finds one without the other cannot start
        _put(api, path, secret(options.namespace, options.serving_secret, wanted))
    return Trust(
        authority.bundle(now),
        next_step(authority, leaf, options.lifetimes),
        authority.current.expires(),
        leaf.expires(),
        review_paths.in_use(paths, now),
    )


def _from_elsewhere(api: Api, options: Options, now: datetime) -> Trust:
    """cert-manager keeps the Secret; what to trust is the `ca.crt` that it puts beside the certificate."""
    found = api.find(_secret_path(options.namespace, options.serving_secret))
    leaf, bundle = pair_in(found), bundle_in(found)
    if leaf is None or not bundle:
        message = f"Secret {options.serving_secret} has no certificate with its ca.crt yet: whoever issues it has to"
        raise ApiError(0, "GET", options.serving_secret, message)
    expires = Pair(bundle, b"").expires()
    path = _secret_path(options.namespace, options.path_secret)
    paths = parse(data_in(api.find(path), KEY))
    if review_paths.due(paths, now):
        paths = review_paths.renewed(paths, configured_path(api, options), now)
        _put(api, path, secret(options.namespace, options.path_secret, {KEY: encode(paths)}, "Opaque"))
        log.info("made a path for the webhook")
    return Trust(bundle, now + timedelta(minutes=1), expires, leaf.expires(), review_paths.in_use(paths, now))


def configured_path(api: Api, options: Options) -> str:
    """The path on which the API server calls the webhook now; empty where there is no configuration, or another's."""
    name = f"validatingwebhookconfigurations/{options.configuration_name}"
    found = api.find(f"/apis/admissionregistration.k8s.io/v1/{name}")
    for webhook in objects.sequence(found, "webhooks"):
        url = objects.value(webhook, "clientConfig", "url")
        path = urlparse(url).path if isinstance(url, str) else objects.value(webhook, "clientConfig", "service", "path")
        if isinstance(path, str) and known(path):
            return path
    return ""


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
