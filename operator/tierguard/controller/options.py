"""How the operator process is started."""

import base64
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from tierguard.guard.model.identities import Identities

FIELD_MANAGER = "tierguard-operator"
CA_LIFETIME = timedelta(days=365)
LEAF_LIFETIME = timedelta(days=90)
LONGEST_OVERLAP = timedelta(hours=1)
"""How long a new CA is trusted before it signs; a tenth of a short lifetime."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long certificates are good for."""

    authority: timedelta = CA_LIFETIME
    leaf: timedelta = LEAF_LIFETIME

    @property
    def overlap(self) -> timedelta:
        """How long a new CA is trusted before it signs."""
        return min(LONGEST_OVERLAP, self.authority / 10)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the webhook is reached: a Service in the cluster, or a URL outside of it; and on which path."""

    namespace: str
    service: str
    port: int
    url: str = ""
    path: str = ""

    @property
    def address(self) -> str:
        """The URL of reviews."""
        base = self.url or f"https://{self.service}.{self.namespace}.svc:{self.port}"
        return f"{base.rstrip('/')}{self.path}"

    def client_config(self, ca_bundle: bytes) -> dict[str, Any]:
        """The `clientConfig` of a webhook; `ca_bundle` is PEM."""
        trust = {"caBundle": base64.b64encode(ca_bundle).decode()}
        if self.url:
            return {"url": self.address, **trust}
        return {
            "service": {"namespace": self.namespace, "name": self.service, "path": self.path, "port": self.port},
            **trust,
        }


@dataclass(frozen=True, slots=True)
class Options:
    """How the operator process is started.

    `configuration_name` names the ValidatingWebhookConfiguration and, with a suffix, the Secrets; `owner_cluster_role` a
    ClusterRole that shall own the configuration, so that uninstalling the chart takes it along.
    """

    namespace: str
    endpoint: Endpoint
    configuration_name: str
    owner_cluster_role: str
    health_address: str
    health_port: int
    kubeconfig: Path | None = None
    identities: Identities = field(default_factory=Identities)
    immutable_tags: tuple[str, ...] = ()
    log_level: str = "INFO"
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    account_for_configuration: bool = False
    """Whether the metadata of ConfigMaps may be watched."""
    certificates_from_elsewhere: bool = False
    """Whether something else (cert-manager) keeps the Secret with the webhook's certificate."""
    clock_probe_seconds: int = 0
    """How often to see whether the clock inside the API server goes; 0 where the chart's policies are not installed."""

    @property
    def authority_secret(self) -> str:
        """The Secret with the CA and its key: the operator's alone."""
        return f"{self.configuration_name}-webhook-ca"

    @property
    def clock_policy(self) -> str:
        """The ValidatingAdmissionPolicy against planted times, which the chart makes."""
        return f"{self.configuration_name}-clock"

    @property
    def clockless_policy(self) -> str:
        """The ValidatingAdmissionPolicy about requests without a clock, and its binding."""
        return f"{self.configuration_name}-clockless"

    @property
    def clock_probe(self) -> str:
        """The one that shows whether its clock goes, and the ConfigMap that is never made."""
        return f"{self.clock_policy}-probe"

    @property
    def serving_secret(self) -> str:
        """The Secret with the webhook's certificate, which the webhook mounts."""
        return f"{self.configuration_name}-webhook-tls"

    @property
    def path_secret(self) -> str:
        """The Secret with the webhook's paths, which it mounts too: another one only where cert-manager keeps the first."""
        return f"{self.configuration_name}-webhook-path" if self.certificates_from_elsewhere else self.serving_secret
