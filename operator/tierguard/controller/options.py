"""How the operator process is started."""

from dataclasses import dataclass, field
from pathlib import Path

from tierguard.controller.configuration import Endpoint
from tierguard.guard.state import Identities

FIELD_MANAGER = "tierguard-operator"


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

    @property
    def authority_secret(self) -> str:
        """The Secret with the CA and its key: the operator's alone."""
        return f"{self.configuration_name}-webhook-ca"

    @property
    def serving_secret(self) -> str:
        """The Secret with the webhook's certificate, which the webhook mounts."""
        return f"{self.configuration_name}-webhook-tls"
