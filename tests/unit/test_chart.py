"""What the Helm chart renders, and what it refuses to."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import tierguard
from tests.unit.reviews import SilentApi
from tierguard.cluster.cache import ClusterCache
from tierguard.guard.model.identities import AUTOSCALERS, CONTROLLERS, ROTATORS, Identities

pytestmark = pytest.mark.cluster  # Helm is built along with the control plane

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "charts" / "tierguard"
OWN_KINDS = ["operationalfreezes", "changewindows", "paymenttierpolicies"]
COMPONENTS = ("operator", "webhook")

Object = dict[str, Any]


class Chart:
    """The chart, rendered by Helm without a cluster."""

    def __init__(self, helm: Path, home: Path) -> None:
        self._helm = helm
        self._environment = {
            name: str(home) for name in ("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
        }

    def helm(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self._helm, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def template(self, *values: str, release: str = "tierguard") -> "subprocess.CompletedProcess[str]":
        sets = [argument for value in values for argument in ("--set", value)]
        return self.helm("template", release, str(CHART), "--namespace", "guard", *sets)

    def render(self, *values: str, release: str = "tierguard") -> list[Object]:
        done = self.template(*values, release=release)
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.safe_load_all(done.stdout) if document]


@pytest.fixture(scope="module")
def chart(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Chart:
    return Chart(binaries / "helm", tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="module")
def rendered(chart: Chart) -> list[Object]:
    return chart.render()


def of_kind(objects: list[Object], kind: str) -> Iterator[Object]:
    return (obj for obj in objects if obj["kind"] == kind)


def the(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = (obj for obj in of_kind(objects, kind) if obj["metadata"]["name"] == name)
    return found


def pod_of(objects: list[Object], component: str, fullname: str = "tierguard") -> Object:
    pod: Object = the(objects, "Deployment", f"{fullname}-{component}")["spec"]["template"]["spec"]
    return pod


def container_of(objects: list[Object], component: str, fullname: str = "tierguard") -> Object:
    (container,) = pod_of(objects, component, fullname)["containers"]
    assert isinstance(container, dict)
    return container


def rules_of(objects: list[Object], kind: str, name: str) -> set[tuple[str, str, frozenset[str], frozenset[str]]]:
    """One row for each API group and resource of a role: group, resource, names it is kept to, verbs."""
    return {
        (group, resource, frozenset(rule.get("resourceNames", ())), frozenset(rule["verbs"]))
        for rule in the(objects, kind, name)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def row(group: str, resource: str, verbs: str, *names: str) -> tuple[str, str, frozenset[str], frozenset[str]]:
    return group, resource, frozenset(names), frozenset(verbs.split())


def test_the_chart_passes_helms_strict_lint(chart: Chart) -> None:
    done = chart.helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_charts_app_version_is_the_programs() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == tierguard.__version__


def test_each_object_is_rendered_once_and_says_what_it_belongs_to(rendered: list[Object]) -> None:
    names = [(obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"]) for obj in rendered]
    assert len(names) == len(set(names))
    for obj in rendered:
        if obj["kind"] != "CustomResourceDefinition":
            wanted = {
                "name": "tierguard",
                "instance": "tierguard",
                "managed-by": "Helm",
                "version": tierguard.__version__,
            }
            labels = obj["metadata"]["labels"]
            assert {f"app.kubernetes.io/{key}": value for key, value in wanted.items()}.items() <= labels.items()
            assert labels["helm.sh/chart"].startswith("tierguard-")


# Pods


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_pod_fits_the_restricted_pod_security_standard(rendered: list[Object], component: str) -> None:
    pod, container = pod_of(rendered, component), container_of(rendered, component)
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all("hostPort" not in port for port in container["ports"])
    assert all(volume.keys() <= {"name", "secret"} for volume in pod.get("volumes", ()))


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_container_says_what_it_needs_and_has_no_cpu_limit(rendered: list[Object], component: str) -> None:
    resources = container_of(rendered, component)["resources"]
    assert resources["requests"].keys() == {"cpu", "memory"}
    assert resources["limits"].keys() == {"memory"}


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_pod_knows_its_namespace_and_runs_as_its_own_service_account(rendered: list[Object], component: str) -> None:
    pod = pod_of(rendered, component)
    assert pod["serviceAccountName"] == f"tierguard-{component}"
    assert pod["automountServiceAccountToken"] is True
    assert pod["priorityClassName"] == "system-cluster-critical"
    assert container_of(rendered, component)["env"] == [
        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    ]


def test_the_operator_is_started_with_the_names_that_the_chart_gave(rendered: list[Object]) -> None:
    assert container_of(rendered, "operator")["args"] == [
        "operator",
        "--namespace=$(POD_NAMESPACE)",
        "--webhook-service=tierguard-webhook",
        "--webhook-port=443",
        "--configuration-name=tierguard",
        "--owner-cluster-role=tierguard-operator",
        "--health-listen=0.0.0.0:8080",
        "--account-for-configuration",
        "--clock-probe-seconds=2",
    ]


def test_the_webhook_is_started_with_the_operators_user_name(rendered: list[Object]) -> None:
    assert container_of(rendered, "webhook")["args"] == [
        "webhook",
        "--listen=0.0.0.0:9443",
        "--health-listen=0.0.0.0:8080",
        "--certificates=/etc/tierguard/tls",
        "--namespace=$(POD_NAMESPACE)",
        "--operator=system:serviceaccount:guard:tierguard-operator",
    ]


def test_operator_and_webhook_know_the_same_identities(chart: Chart) -> None:
    keda, velero = "system:serviceaccount:keda:keda-operator", "system:serviceaccount:velero:velero"
    objects = chart.render(f"identities.autoscalers={{{keda}}}", f"identities.controllers={{{velero},cluster robot}}")
    for component in COMPONENTS:
        assert container_of(objects, component)["args"][-3:] == [
            f"--autoscaler={keda}",
            f"--controller={velero}",
            "--controller=cluster robot",
        ]


def test_who_rotates_secrets_is_said_by_name_and_nobody_is_assumed(chart: Chart, rendered: list[Object]) -> None:
    rotator = "system:serviceaccount:cert-manager:cert-manager"
    named = chart.render(f"identities.rotators={{{rotator}}}")
    for component in COMPONENTS:
        assert f"--rotator={rotator}" in container_of(named, component)["args"]
        assert not any("rotator" in argument for argument in container_of(rendered, component)["args"])
    assert all(name.startswith("system:serviceaccount:kube-system:") for name in ROTATORS | AUTOSCALERS)
    assert all(
        name.startswith(("system:kube-", "system:cloud-controller-manager", "system:serviceaccount:kube-system:"))
        for name in CONTROLLERS
    )


def test_a_webhook_outside_of_the_cluster_is_told_to_the_operator_alone(chart: Chart) -> None:
    objects = chart.render("webhook.url=https://guard.example.com:8443")
    argument = "--webhook-url=https://guard.example.com:8443"
    assert argument in container_of(objects, "operator")["args"]
    assert argument not in container_of(objects, "webhook")["args"]


def test_a_digest_wins_over_the_tag(chart: Chart) -> None:
    digest = f"sha256:{'0a' * 32}"
    objects = chart.render("image.repository=registry.example.com/tierguard", "image.tag=x", f"image.digest={digest}")
    for component in COMPONENTS:
        assert container_of(objects, component)["image"] == f"registry.example.com/tierguard@{digest}"


# What keeps the webhook there


def test_two_webhooks_are_replaced_one_by_one_and_drained_one_by_one(rendered: list[Object]) -> None:
    webhook = the(rendered, "Deployment", "tierguard-webhook")["spec"]
    assert webhook["replicas"] == 2
    assert webhook["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    budget = the(rendered, "PodDisruptionBudget", "tierguard-webhook")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert budget["selector"] == webhook["selector"]
    assert budget["selector"]["matchLabels"].items() <= webhook["template"]["metadata"]["labels"].items()


def test_of_two_operators_one_leads_and_an_upgrade_leaves_one(rendered: list[Object]) -> None:
    operator = the(rendered, "Deployment", "tierguard-operator")["spec"]
    assert operator["replicas"] == 2
    assert operator["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    budget = the(rendered, "PodDisruptionBudget", "tierguard-operator")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == operator["selector"]


@pytest.mark.parametrize("strictness", ["ScheduleAnyway", "DoNotSchedule"])
def test_the_webhooks_spread_over_zones_as_strictly_as_wanted(chart: Chart, strictness: str) -> None:
    pod = pod_of(chart.render(f"webhook.topologySpread.whenUnsatisfiable={strictness}"), "webhook")
    found = {spread["topologyKey"]: spread["whenUnsatisfiable"] for spread in pod["topologySpreadConstraints"]}
    assert found == {"topology.kubernetes.io/zone": strictness, "kubernetes.io/hostname": "ScheduleAnyway"}


def test_the_webhook_mounts_the_secret_that_the_operator_makes(rendered: list[Object]) -> None:
    assert pod_of(rendered, "webhook")["volumes"] == [
        {"name": "tls", "secret": {"secretName": "tierguard-webhook-tls", "defaultMode": 0o440}}
    ]
    assert container_of(rendered, "webhook")["volumeMounts"] == [
        {"name": "tls", "mountPath": "/etc/tierguard/tls", "readOnly": True}
    ]


def test_a_webhook_that_ends_answers_until_nobody_asks_it_any_more(rendered: list[Object]) -> None:
    assert container_of(rendered, "webhook")["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert pod_of(rendered, "webhook")["terminationGracePeriodSeconds"] == 30


def test_liveness_and_readiness_are_different_questions_at_the_health_port(rendered: list[Object]) -> None:
    for component in COMPONENTS:
        container = container_of(rendered, component)
        assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "health"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
        assert {"name": "health", "containerPort": 8080} in container["ports"]
    assert container_of(rendered, "webhook")["startupProbe"]["httpGet"] == {"path": "/livez", "port": "health"}


def test_the_service_leads_to_the_webhooks(rendered: list[Object]) -> None:
    service = the(rendered, "Service", "tierguard-webhook")["spec"]
    (port,) = service["ports"]
    assert (port["port"], port["targetPort"]) == (443, "https")
    assert {"name": "https", "containerPort": 9443} in container_of(rendered, "webhook")["ports"]
    assert service["selector"] == the(rendered, "Deployment", "tierguard-webhook")["spec"]["selector"]["matchLabels"]


# Roles


def test_the_webhook_may_only_read_what_decisions_read(rendered: list[Object]) -> None:
    assert rules_of(rendered, "ClusterRole", "tierguard-webhook") == {
        *(row("tierguard.io", kind, "list watch") for kind in OWN_KINDS),
        row("", "namespaces", "get list watch"),
        *(row("apps", resource, "get list watch") for resource in ("deployments", "statefulsets", "replicasets")),
        row("apps", "daemonsets", "list watch"),
        row("batch", "cronjobs", "list watch"),
        row("policy", "poddisruptionbudgets", "list watch"),
        row("", "services", "list watch"),
        row("", "serviceaccounts", "list watch"),
        row("", "replicationcontrollers", "get list watch"),
        row("autoscaling", "horizontalpodautoscalers", "list watch"),
        row("networking.k8s.io", "networkpolicies", "list watch"),
        row("authorization.k8s.io", "subjectaccessreviews", "create"),
    }
    assert rules_of(rendered, "Role", "tierguard-webhook") == {row("", "configmaps", "list watch create patch")}


def test_the_operator_may_write_what_it_keeps_and_nothing_else(rendered: list[Object]) -> None:
    configurations = ("admissionregistration.k8s.io", "validatingwebhookconfigurations")
    workloads = ("deployments", "statefulsets", "daemonsets", "replicasets")
    assert rules_of(rendered, "ClusterRole", "tierguard-operator") == {
        *(row("tierguard.io", kind, "list watch") for kind in OWN_KINDS),
        *(row("tierguard.io", f"{kind}/status", "patch") for kind in OWN_KINDS),
        row("", "namespaces", "list watch"),
        row("", "configmaps", "list watch"),
        *(row("apps", resource, "list watch") for resource in workloads),
        row("apps", "controllerrevisions", "list"),
        *(row("", resource, "list watch") for resource in ("services", "serviceaccounts", "nodes", "pods")),
        row("", "replicationcontrollers", "list watch"),
        row("autoscaling", "horizontalpodautoscalers", "list watch"),
        row("networking.k8s.io", "networkpolicies", "list watch"),
        row("batch", "cronjobs", "list watch patch"),
        row("batch", "cronjobs/status", "patch"),
        row("batch", "jobs", "list watch"),
        row("policy", "poddisruptionbudgets", "list watch create patch delete"),
        row("events.k8s.io", "events", "create"),
        row("admissionregistration.k8s.io", "validatingadmissionpolicies", "create get patch", "tierguard-clockless"),
        row(
            "admissionregistration.k8s.io",
            "validatingadmissionpolicybindings",
            "create get patch",
            "tierguard-clockless",
        ),
        row("coordination.k8s.io", "leases", "get"),
        row(*configurations, "create"),
        row(*configurations, "get patch", "tierguard"),
        row("admissionregistration.k8s.io", "validatingadmissionpolicies", "get patch", "tierguard-clock"),
        row("rbac.authorization.k8s.io", "clusterroles", "get", "tierguard-operator"),
    }
    assert rules_of(rendered, "Role", "tierguard-operator") == {
        row("coordination.k8s.io", "leases", "create"),
        row("coordination.k8s.io", "leases", "get update", "tierguard-operator"),
        row("", "configmaps", "list watch create patch delete"),
        row("", "configmaps", "get", "tierguard-installation", "tierguard-suspensions"),
        row("", "secrets", "create"),
        row("", "secrets", "get patch", "tierguard-webhook-tls", "tierguard-webhook-ca"),
    }


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_may_watch_exactly_what_it_watches(rendered: list[Object], component: str) -> None:
    whole = component == "operator"
    cache = ClusterCache(SilentApi(), "guard", Identities(), status=whole, configuration=whole)
    watched = {reflector.collection.path for reflector in cache._reflectors}
    everywhere = {_place(path) for path in watched if "/namespaces/" not in path}
    own = {_place(path.replace("/namespaces/guard", "")) for path in watched if "/namespaces/" in path}
    for kind, expected in (("ClusterRole", everywhere), ("Role", own)):
        roles = rules_of(rendered, kind, f"tierguard-{component}")
        allowed = {(group, resource) for group, resource, names, verbs in roles if "watch" in verbs and not names}
        assert allowed == expected


def _place(path: str) -> tuple[str, str]:
    """The API group and the resource of a collection's path."""
    parts = path.strip("/").split("/")
    return ("" if parts[0] == "api" else parts[1]), parts[-1]


def test_without_an_account_of_configuration_no_right_to_read_it(chart: Chart, rendered: list[Object]) -> None:
    objects = chart.render("operator.accountForConfiguration=false")
    assert row("", "configmaps", "list watch") not in rules_of(objects, "ClusterRole", "tierguard-operator")
    assert "--account-for-configuration" not in container_of(objects, "operator")["args"]
    assert "--account-for-configuration" in container_of(rendered, "operator")["args"]


def test_whoever_may_view_a_namespace_may_read_our_kinds(rendered: list[Object]) -> None:
    labels = the(rendered, "ClusterRole", "tierguard-view")["metadata"]["labels"]
    assert labels["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert rules_of(rendered, "ClusterRole", "tierguard-view") == {
        row("tierguard.io", kind, "get list watch") for kind in OWN_KINDS
    }


PEOPLE = ("tierguard-approver", "tierguard-declarer", "tierguard-incident-commander")


def test_what_people_need_is_a_role_each_and_nobody_has_it_unasked(rendered: list[Object]) -> None:
    freezes = {"tierguard-approver": "approve", "tierguard-incident-commander": "bypass"}
    for name in PEOPLE:
        verbs = {verb for _, kind, _, found in rules_of(rendered, "ClusterRole", name) for verb in found}
        assert "create" not in verbs or name != "tierguard-approver"
        assert freezes.get(name, "create") in verbs
        assert ("bypass" in verbs) == (name == "tierguard-incident-commander")
    assert not {binding["roleRef"]["name"] for binding in of_kind(rendered, "ClusterRoleBinding")} & set(PEOPLE)


def test_no_role_has_a_wildcard_or_one_more_than_is_known(rendered: list[Object]) -> None:
    roles = [*of_kind(rendered, "ClusterRole"), *of_kind(rendered, "Role")]
    assert sorted(role["metadata"]["name"] for role in roles) == sorted(
        [*["tierguard-operator", "tierguard-webhook"] * 2, "tierguard-view", *PEOPLE]
    )
    for rule in (rule for role in roles for rule in role["rules"]):
        assert not any("*" in word for words in rule.values() for word in words), rule


def test_each_role_is_bound_to_the_service_account_of_its_name(rendered: list[Object]) -> None:
    for kind in ("Role", "ClusterRole"):
        bindings = list(of_kind(rendered, f"{kind}Binding"))
        assert {binding["metadata"]["name"] for binding in bindings} == {"tierguard-operator", "tierguard-webhook"}
        for binding in bindings:
            name = binding["metadata"]["name"]
            assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
            assert binding["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": "guard"}]


# Names, CRDs, what is optional


@pytest.mark.parametrize(
    ("release", "fullname"),
    [("tierguard", "tierguard"), ("pay", "pay-tierguard"), ("pay.tierguard", "pay-tierguard"), ("r" * 53, "r" * 52)],
)
def test_names_follow_the_release_and_fit_into_a_label(chart: Chart, release: str, fullname: str) -> None:
    objects = chart.render("crds.install=false", release=release)
    webhook, operator = container_of(objects, "webhook", fullname), container_of(objects, "operator", fullname)
    assert f"--operator=system:serviceaccount:guard:{fullname}-operator" in webhook["args"]
    assert f"--configuration-name={fullname}" in operator["args"]
    assert all(
        len(obj["metadata"]["name"]) <= 63 for kind in ("Service", "Deployment") for obj in of_kind(objects, kind)
    )
    (_, _, names, _) = next(r for r in rules_of(objects, "Role", f"{fullname}-operator") if r[1] == "secrets" and r[2])
    assert names == {f"{fullname}-webhook-tls", f"{fullname}-webhook-ca"}


def test_the_charts_crds_are_those_of_the_project() -> None:
    copies = {path.name: path.read_bytes() for path in (CHART / "files" / "crds").iterdir()}
    assert copies == {path.name: path.read_bytes() for path in (REPOSITORY / "crds").iterdir()}, "run: make generate"


def test_the_crds_are_rendered_unchanged_and_outlive_the_release(rendered: list[Object]) -> None:
    found = {obj["metadata"]["name"]: obj for obj in of_kind(rendered, "CustomResourceDefinition")}
    sources = [yaml.safe_load(path.read_text()) for path in (REPOSITORY / "crds").iterdir()]
    assert found == {source["metadata"]["name"]: source for source in sources}
    assert all(obj["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for obj in found.values())


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("crds.install=false", "CustomResourceDefinition"),
        ("networkPolicy.enabled=false", "NetworkPolicy"),
        ("priorityClassName=", "ResourceQuota"),
    ],
)
def test_what_is_switched_off_is_not_rendered(chart: Chart, rendered: list[Object], value: str, kind: str) -> None:
    assert list(of_kind(rendered, kind))
    assert not list(of_kind(chart.render(value), kind))


def ports_of(rules: list[Object]) -> set[tuple[int, str]]:
    return {(port["port"], port["protocol"]) for rule in rules for port in rule["ports"]}


def test_the_network_lets_the_api_server_in_and_the_pods_out_to_it_and_to_each_other(rendered: list[Object]) -> None:
    webhook, operator = (
        the(rendered, "NetworkPolicy", f"tierguard-{name}")["spec"] for name in ("webhook", "operator")
    )
    out = {(443, "TCP"), (6443, "TCP"), (53, "UDP"), (53, "TCP")}
    assert ports_of(webhook["ingress"]) == {(9443, "TCP"), (8080, "TCP")}
    assert ports_of(webhook["egress"]) == out
    assert ports_of(operator["ingress"]) == {(8080, "TCP")}
    assert ports_of(operator["egress"]) == {*out, (9443, "TCP")}


@pytest.mark.parametrize(
    ("url", "port"), [("https://guard.example.com:8443/x", 8443), ("https://[::1]:9", 9), ("https://[::1]", 443)]
)
def test_the_network_lets_the_operator_out_to_a_webhook_elsewhere(chart: Chart, url: str, port: int) -> None:
    policies = chart.render(f"webhook.url={url}")
    rule = the(policies, "NetworkPolicy", "tierguard-operator")["spec"]["egress"][-1]
    assert rule == {"ports": [{"port": port, "protocol": "TCP"}]}


# Values


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("webhook.replicas=1", "at '/webhook/replicas': minimum: got 1, want 2"),
        ("webhook.url=http://guard.example.com", "at '/webhook/url': 'http://guard.example.com' does not match"),
        ("webhook.topologySpread.whenUnsatisfiable=Never", "at '/webhook/topologySpread/whenUnsatisfiable'"),
        ("webhook.resources.limits.memory=plenty", "at '/webhook/resources/limits/memory': 'plenty' does not match"),
        ("operator.resources.limits=null", "at '/operator/resources': missing property 'limits'"),
        ("operator.replica=2", "at '/operator': additional properties 'replica' not allowed"),
        ("image.tga=0.2.0", "at '/image': additional properties 'tga' not allowed"),
        ("image.digest=sha256:abc", "at '/image/digest': 'sha256:abc' does not match"),
        ("identities.autoscalers={ }", "at '/identities/autoscalers/0'"),
        ("networkPolicy.apiServerPorts={70000}", "at '/networkPolicy/apiServerPorts/0'"),
        ("logLevel=debug", "at '/logLevel': value must be one of 'DEBUG', 'INFO', 'WARNING', 'ERROR'"),
        ("webhook=null", "missing property 'webhook'"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(chart: Chart, value: str, message: str) -> None:
    done = chart.template(value)
    assert done.returncode != 0
    assert message in done.stderr


def test_each_value_is_described_and_nothing_undescribed_is_let_in() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    undescribed, open_objects = [], []

    def walk(path: str, node: Object) -> None:
        if "properties" in node and node.get("additionalProperties") is not False:
            open_objects.append(path)
        for name, child in node.get("properties", {}).items():
            if not child.get("description"):
                undescribed.append(f"{path}.{name}")
            walk(f"{path}.{name}", child)

    for path, node in [("", schema), *((f"#{name}", node) for name, node in schema["$defs"].items())]:
        walk(path, node)
    assert (undescribed, open_objects) == ([], [])


def test_the_notes_name_the_next_commands(chart: Chart) -> None:
    done = chart.helm("install", "tierguard", str(CHART), "--namespace", "guard", "--dry-run=client")
    assert done.returncode == 0, done.stderr
    for command in ("kubectl get ofz,cw,ptp", "kubectl apply -f policies/tiers/tier-1.yaml"):
        assert command in done.stdout


def test_cert_manager_makes_the_certificate_where_it_is_wanted(chart: Chart, rendered: list[Object]) -> None:
    assert not list(of_kind(rendered, "Certificate"))
    objects = chart.render("certManager.enabled=true")
    issued = {found["metadata"]["name"]: found["spec"] for found in of_kind(objects, "Certificate")}
    assert issued["tierguard-webhook"]["secretName"] == "tierguard-webhook-tls"
    assert "tierguard-webhook.guard.svc" in issued["tierguard-webhook"]["dnsNames"]
    assert issued["tierguard-webhook-ca"]["isCA"] is True
    assert "--certificates=cert-manager" in container_of(objects, "operator")["args"]
    assert not any("cert-manager" in argument for argument in container_of(rendered, "operator")["args"])


def test_the_operators_path_is_beside_the_certificate_that_cert_manager_makes(chart: Chart) -> None:
    objects = chart.render("certManager.enabled=true")
    (volume,) = pod_of(objects, "webhook")["volumes"]
    names = [source["secret"]["name"] for source in volume["projected"]["sources"]]
    assert names == ["tierguard-webhook-tls", "tierguard-webhook-path"]
    assert row("", "secrets", "get patch", "tierguard-webhook-ca", *names) in rules_of(
        objects, "Role", "tierguard-operator"
    )


def test_the_policies_of_the_api_server_are_made_once_and_can_be_left_out(chart: Chart, rendered: list[Object]) -> None:
    names = {found["metadata"]["name"] for found in of_kind(rendered, "ValidatingAdmissionPolicy")}
    confining = {"tierguard-operator", "tierguard-records", "tierguard-bindings"}
    assert names == {"tierguard-clock", "tierguard-clock-probe", "tierguard-break-glass", *confining}
    actions = {
        found["spec"]["policyName"]: found["spec"]["validationActions"]
        for found in of_kind(rendered, "ValidatingAdmissionPolicyBinding")
    }
    denied = {name: ["Deny"] for name in ("tierguard-clock", "tierguard-clock-probe", *confining)}
    assert actions == {**denied, "tierguard-break-glass": ["Audit"]}
    without = chart.render("admissionPolicies.enabled=false")
    assert not list(of_kind(without, "ValidatingAdmissionPolicy"))
    assert not any("clock" in argument for argument in container_of(without, "operator")["args"])
    # What the operator made, while they were wanted, it takes away.
    rules = rules_of(without, "ClusterRole", "tierguard-operator")
    for kind in ("validatingadmissionpolicies", "validatingadmissionpolicybindings"):
        assert row("admissionregistration.k8s.io", kind, "get delete", "tierguard-clockless") in rules


def test_the_components_are_confined_whatever_they_are_called(chart: Chart) -> None:
    objects = chart.render("webhook.url=https://guard.example.com/", release="money")
    names = {found["metadata"]["name"]: found["spec"] for found in of_kind(objects, "ValidatingAdmissionPolicy")}
    operator, records = names["money-tierguard-operator"], names["money-tierguard-records"]
    account = "'system:serviceaccount:guard:money-tierguard-{}'"
    assert operator["failurePolicy"] == records["failurePolicy"] == "Fail"
    assert account.format("operator") in operator["matchConditions"][0]["expression"]
    assert all(account.format(each) in records["matchConditions"][0]["expression"] for each in COMPONENTS)
    assert "namespaceSelector" not in operator["matchConstraints"], "kube-system is what an attacker would choose"
    assert "startsWith('https://guard.example.com/validate')" in str(operator["validations"])
    for name in ("webhook-tls", "webhook-ca"):
        assert f"money-tierguard-{name}" in str(records["validations"])


def test_the_operator_hears_of_a_dead_clock_long_before_the_policy_refuses_by_it(chart: Chart) -> None:
    rendered = chart.render("admissionPolicies.clockToleranceSeconds=900")
    judged, probed = (
        the(rendered, "ValidatingAdmissionPolicy", name)["spec"]["validations"][0]["expression"]
        for name in ("tierguard-clock", "tierguard-clock-probe")
    )
    assert "+ duration('900s')" in judged
    assert "+ duration('450s')" in probed
    assert "--clock-probe-seconds=90" in container_of(rendered, "operator")["args"]
