"""Keeps the ValidatingWebhookConfiguration; anybody's change to it is undone within a minute."""

import logging
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlparse

import urllib3

from tierguard.cluster.client import Api, ApiError
from tierguard.controller.asserted import Asserted
from tierguard.controller.certificates.trust import Trust
from tierguard.controller.options import Endpoint, Options
from tierguard.controller.webhooks.configuration import compiled, configuration
from tierguard.controller.webhooks.stretches import Stretches
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.survey import Selection

log = logging.getLogger(__name__)


class ConfigurationKeeper:
    """Keeps it as `configuration` says."""

    def __init__(self, api: Api, options: Options) -> None:
        self._api = api
        self._options = options
        self._kept = Asserted(api)
        self._asked = False
        """Whether the API server is known to ask the webhook."""
        self.stretches: Stretches | None = None
        """The coming stretches of freezes as they are compiled into it."""

    def start_over(self) -> None:
        """Forget what was written: while another operator led, it may have become something else."""
        self._asked = False
        self._kept.start_over()

    def keep(self, trust: Trust, selection: Selection, now: datetime) -> None:
        """Write what changed, or was changed. Raises ApiError."""
        name = self._options.configuration_name
        path = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{name}"
        asked = compiled(selection, now)
        endpoint = replace(self._options.endpoint, path=trust.path)
        unowned = configuration(name, endpoint, trust.bundle, asked, None)
        if not self._kept.stands(unowned, now):
            wanted = configuration(name, endpoint, trust.bundle, asked, self.owner())
            if not self._asked and self._api.find(path) is None and (problem := _problem(endpoint, trust.bundle)):
                # On a new installation nobody shall wait for a webhook that is only starting.
                raise ApiError(0, "GET", "webhook", f"the webhook is not ready, so it is not asked yet: {problem}")
            if self._kept.keep(path, wanted, now, wanted=unowned):
                log.info("wrote the webhook configuration")
        self._asked, self.stretches = True, asked.stretches

    def owner(self) -> KubeObject | None:
        """A reference to the ClusterRole that owns what is kept. Raises ApiError."""
        name = self._options.owner_cluster_role
        if not name:
            return None
        found = self._api.get(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}")
        return {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "name": name,
            "uid": objects.uid(found),
        }


def _problem(endpoint: Endpoint, trusted: bytes) -> str:
    """Why the webhook does not answer where the API server will ask it; empty when it does. Never with the path in it."""
    pool = urllib3.PoolManager(ca_cert_data=trusted.decode(), retries=False, timeout=urllib3.Timeout(2.0))
    try:
        answer = pool.request("GET", endpoint.address)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        said = str(error)
    else:
        if answer.status == 200:  # noqa: PLR2004 - HTTP
            return ""
        said = answer.data.decode(errors="replace")
    said = objects.printable(said.replace(endpoint.path, ""), 200)
    return f"{urlparse(endpoint.address).netloc}: {said}"
