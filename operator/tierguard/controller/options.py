"""How the operator process is started."""

from dataclasses import dataclass, field
from pathlib import Path

from tierguard.controller.certificates import Lifetimes
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
    def clock_probe(self) -> str:
        """The one that shows whether its clock goes, and the ConfigMap that is never made."""
        return f"{self.clock_policy}-probe"

    @property
    def serving_secret(self) -> str:
        """The Secret with the webhook's certificate, which the webhook mounts."""
        return f"{self.configuration_name}-webhook-tls"
