"""Nobody is locked out: what a cluster boots by is never held, it comes up from nothing, and tierguard can be removed.

On a control plane of its own, as it is stopped and tierguard is uninstalled. Each test begins with `up` or `down`, and can
be run alone; in their order the tests share what they need.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.cluster.install import CHART, NAMESPACE, OPERATORS, RELEASE, WEBHOOKS, Tierguard
from tests.e2e import booting, inventory, manifests
from tests.e2e.outage import compiled
from tests.e2e.world import CLEANER, Answer, EmbeddedWorld

pytestmark = [pytest.mark.cluster, pytest.mark.embedded]

PLACE = "payments"
WORKLOADS = f"/apis/apps/v1/namespaces/{PLACE}/deployments"
CONFIGURATION = ("validatingwebhookconfiguration", RELEASE)
OWNER = ("clusterrole", f"{RELEASE}-operator")
FREEZE = manifests.freeze("promotion", scope={"tiers": [0, 1, 2, 3, 4]})
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OUR_DEFINITIONS = [f"{kind}.tierguard.io" for kind in ("changewindows", "operationalfreezes", "paymenttierpolicies")]
DEAD = "failed calling webhook"
STOP_SECONDS = 3.0


@pytest.fixture(scope="module")
def own(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedWorld]:
    """A control plane that may be stopped, without tierguard on it yet."""
    cluster = ControlPlane(tmp_path_factory.mktemp("lockout", numbered=True), binaries)
    with cluster:
        world = EmbeddedWorld(cluster, Tierguard(cluster))
        world.create_namespace(PLACE)
        answer = world.apply(manifests.deployment(PLACE))
        assert answer.passed, answer.out
        yield world


def up(world: EmbeddedWorld) -> None:
    """Have tierguard installed and running, and a freeze of everything active that the API server knows itself."""
    if world.get(*OWNER) is None:
        stop(world)
        world.tierguard.install()
    for names, start in ((OPERATORS, world.tierguard.start_operator), (WEBHOOKS, world.tierguard.start_webhook)):
        for name in names:
            if not world.cluster.processes.alive(name):
                start(name)
    for name in (*OPERATORS, *WEBHOOKS):
        world.tierguard.wait_ready(name)
    if world.get("ofz", "promotion") is None:
        world.until("the freeze is taken", lambda: world.apply(FREEZE).passed)
    world.until("the API server knows the freeze", lambda: compiled(world, "promotion"))
    world.until("there is a configuration", world.tierguard.configured)


def down(world: EmbeddedWorld) -> None:
    """The same, and then everything of tierguard's dead."""
    if world.get(*CONFIGURATION) is None or world.get("ofz", "promotion") is None:
        up(world)
    stop(world)


def stop(world: EmbeddedWorld) -> None:
    world.cluster.processes.stop(*OPERATORS, *WEBHOOKS, seconds=STOP_SECONDS)


def deploy(world: EmbeddedWorld) -> Answer:
    """Try to change the image of the guarded workload; each time to another one."""
    changed = manifests.with_image(manifests.deployment(PLACE), f"other:{time.monotonic_ns()}")
    return world.apply(changed)


def upgrade(world: EmbeddedWorld, *values: str) -> None:
    sets = [part for value in values for part in ("--set", value)]
    options = ("--namespace", NAMESPACE, "--reset-then-reuse-values", "--force-conflicts")
    world.tierguard.helm("upgrade", RELEASE, str(CHART), *options, *sets)


def available(world: EmbeddedWorld, namespace: str, name: str, least: int) -> bool:
    found = world.get("deployment", name, "-n", namespace)
    status = found.get("status", {})
    current = bool(status.get("observedGeneration") == found["metadata"]["generation"])
    return current and min(status.get(count, 0) for count in ("readyReplicas", "updatedReplicas")) >= least


def uid(world: EmbeddedWorld, *what: str) -> str:
    return str(world.get(*what)["metadata"]["uid"])


def test_admission_asks_about_what_the_documentation_lists_and_nothing_else(own: EmbeddedWorld) -> None:
    up(own)
    resources = inventory.discovered(own)
    webhooks = own.get(*CONFIGURATION)["webhooks"]
    policies = {
        policy["metadata"]["name"]: policy["spec"] for policy in own.get("validatingadmissionpolicies")["items"]
    }
    probe = policies.pop("tierguard-clock-probe")
    # Those that confine the components begin with their names: nobody else's write can fail by them.
    for name in ("tierguard-operator", "tierguard-records"):
        confining = policies.pop(name)
        assert "system:serviceaccount:tierguard-system:tierguard-" in confining["matchConditions"][0]["expression"]
        assert inventory.matched(confining["matchConstraints"]["resourceRules"], resources) == inventory.documented(
            name
        )
    ours = [spec["matchConstraints"] for name, spec in policies.items() if name.startswith(RELEASE)]
    assert len(webhooks) == 9
    assert len(ours) == 4
    # The one that looks into tierguard's own namespace looks at nothing but a ConfigMap that is never made.
    assert probe["matchConstraints"]["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
    assert [rule["resources"] for rule in probe["matchConstraints"]["resourceRules"]] == [["configmaps"]]
    assert [each["name"] for each in probe["matchConditions"]] == ["probe"]

    rules = [rule for webhook in webhooks for rule in webhook["rules"]]
    rules += [rule for policy in ours for rule in policy["resourceRules"]]
    assert inventory.matched(rules, resources) == inventory.documented()

    everywhere = {"operationalfreezes", "changewindows", "paymenttierpolicies"}
    for selecting in (*webhooks, *ours):
        named = {name for rule in selecting.get("rules", []) for name in rule["resources"]}
        assert named == everywhere or _spares(selecting), selecting.get("name")
        assert selecting["matchPolicy"] == "Equivalent"


def _spares(selecting: dict[str, Any]) -> bool:
    expression, *tier = selecting["namespaceSelector"]["matchExpressions"]
    assert [each["key"] for each in tier] in ([], ["tierguard.io/tier"])
    key, operator = expression["key"], expression["operator"]
    return (key, operator) == ("kubernetes.io/metadata.name", "NotIn") and set(expression["values"]) == {
        *booting.EXEMPT
    }


def test_an_upgrade_keeps_the_configuration_and_what_owns_it(own: EmbeddedWorld) -> None:
    up(own)
    before = uid(own, *OWNER), uid(own, *CONFIGURATION)
    upgrade(own, "webhook.replicas=3", "logLevel=DEBUG")
    assert own.get("deployment", "tierguard-webhook", "-n", NAMESPACE)["spec"]["replicas"] == 3
    assert (uid(own, *OWNER), uid(own, *CONFIGURATION)) == before
    (owner,) = own.get(*CONFIGURATION)["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("ClusterRole", before[0])
    assert "is frozen by promotion" in deploy(own).out


def test_with_everything_dead_what_a_cluster_boots_by_passes(own: EmbeddedWorld) -> None:
    down(own)
    for answer in (deploy(own), own.kubectl("delete", "-n", PLACE, "deployment/payment-core")):
        assert DEAD in answer.out, "else nothing is shown"
    documents = [*booting.of_the_cluster(), *booting.in_exempt_namespaces()]
    assert own.apply(*documents, verb="create").passed
    changed = own.apply(*documents, verb="label", options=("tierguard.io/tier=1", "--overwrite"))
    assert changed.passed, changed.out
    removed = own.apply(*documents, verb="delete", options=("--wait=false",))
    assert removed.passed, removed.out
    for label in ("tierguard.io/tier=0", "tierguard.io/tier-"):
        own.ok("label", "namespace", *booting.EXEMPT, label)


def test_with_everything_dead_tierguard_itself_can_be_mended(own: EmbeddedWorld) -> None:
    down(own)
    place = ("-n", NAMESPACE)
    own.ok("rollout", "restart", "deployment", *place)
    own.ok("scale", "deployment/tierguard-webhook", "--replicas=1", *place)
    own.ok("set", "image", "deployment/tierguard-operator", "operator=other:2", *place)
    own.until("it rolls", lambda: available(own, NAMESPACE, "tierguard-webhook", 1))
    upgrade(own, "webhook.replicas=2")
    own.ok("delete", "deployment", "tierguard-operator", "tierguard-webhook", *place)
    upgrade(own, "logLevel=INFO")
    for name in ("tierguard-operator", "tierguard-webhook"):
        own.until("it is back", lambda name=name: available(own, NAMESPACE, name, 2))  # type: ignore[misc]
    assert DEAD in deploy(own).out


def test_with_everything_dead_no_collection_is_deleted_in_passing(own: EmbeddedWorld) -> None:
    """Such requests have no name, which an announcement that is not there must not be equal to."""
    down(own)
    for path in (WORKLOADS, DEFINITIONS, "/apis/tierguard.io/v1alpha1/operationalfreezes"):
        status, said = own.call("DELETE", path, dryRun="All")
        assert status >= HTTPStatus.BAD_REQUEST, path
        assert DEAD in said["message"], said
    # In a freeze that is so of what was announced before it, too.
    announced = manifests.deployment(PLACE, "retired")
    announced["metadata"]["annotations"] = {"tierguard.io/allow-deletion": "retired"}
    answer = own.apply(announced, verb="create", options=CLEANER)
    assert answer.passed, answer.out
    status, said = own.call("DELETE", WORKLOADS, labelSelector="app=retired")
    assert status >= HTTPStatus.BAD_REQUEST
    assert DEAD in said["message"], said


def test_a_cluster_that_starts_from_nothing_comes_up_and_is_guarded_again(own: EmbeddedWorld) -> None:
    up(own)
    cluster = own.cluster
    pods = set(_pods(own))
    cluster.stop()
    assert not any(map(cluster.processes.alive, (*OPERATORS, *WEBHOOKS, "etcd", "kube-apiserver")))
    resumed = datetime.now(UTC)
    cluster.resume()

    # Nobody of tierguard's is there yet.
    assert own.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-new"}}).passed
    own.until("a new node is ready", lambda: _ready(own, "node-new"))
    own.until("the old ones report again", lambda: _renewed(own, "node-1", resumed))
    assert own.apply(manifests.deployment("kube-system", "dns", tier="0", replicas=1)).passed
    own.until("kube-system gets pods", lambda: available(own, "kube-system", "dns", 1))
    own.ok("scale", "deployment/tierguard-operator", "--replicas=3", "-n", NAMESPACE)
    own.until("tierguard gets pods", lambda: available(own, NAMESPACE, "tierguard-operator", 3))
    own.ok("delete", "pods", "--all", "-n", PLACE, "--wait=false")
    own.until(
        "guarded pods are made again",
        lambda: available(own, PLACE, "payment-core", 3) and not pods & set(_pods(own)),
    )
    assert DEAD in deploy(own).out

    # What a kubelet does with tierguard's pods, and nothing else.
    up(own)
    own.until("it is refused as before", lambda: "is frozen by promotion" in deploy(own).out)


def _pods(world: EmbeddedWorld) -> Iterator[str]:
    for pod in world.get("pods", "-n", PLACE)["items"]:
        yield pod["metadata"]["uid"]


def _ready(world: EmbeddedWorld, name: str) -> bool:
    conditions = world.get("node", name).get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _renewed(world: EmbeddedWorld, node: str, since: datetime) -> bool:
    lease = world.get("lease", node, "-n", "kube-node-lease")
    return lease is not None and datetime.fromisoformat(lease["spec"]["renewTime"]) > since


def test_uninstalling_is_one_step_and_installing_again_works(own: EmbeddedWorld) -> None:
    up(own)
    assert_no_finalizers_of_ours(own)
    own.tierguard.helm("uninstall", RELEASE, "--namespace", NAMESPACE)
    assert_gone(own)
    answer = deploy(own)
    assert answer.passed, answer.out
    assert own.get("ofz", "promotion") is not None
    # Operators that are still there for a moment put nothing back.
    assert all(map(own.cluster.processes.alive, OPERATORS))
    assert not own.tierguard.configured()

    up(own)
    # The policy against planted times may go by an old Lease for a moment (kubernetes/kubernetes#130887).
    own.until("it is refused as before", lambda: "is frozen by promotion" in deploy(own).out)
    assert DEAD not in deploy(own).out


def test_tierguard_can_be_switched_off_as_the_documentation_says(own: EmbeddedWorld) -> None:
    down(own)
    patch = ("patch", "ofz", "promotion", "--type=merge", "-p", '{"spec":{"scope":{"tiers":[4]}}}')
    definition = ("crd", "operationalfreezes.tierguard.io")
    unserved = '[{"op":"replace","path":"/spec/versions/0/served","value":false}]'
    for call in (
        patch,
        ("delete", "ofz", "promotion"),
        ("delete", *definition),
        ("annotate", *definition, f"tierguard.io/allow-deletion={definition[1]}"),
        ("patch", *definition, "--type=json", "-p", unserved),
    ):
        assert DEAD in own.kubectl(*call, "--dry-run=server").out, "else nothing is shown"
    for command in inventory.commands("When everything is down"):
        own.ok(*command)
    own.ok(*patch)
    own.ok("delete", "ofz", "promotion", "--timeout=10s")
    answer = deploy(own)
    assert answer.passed, answer.out

    upgrade(own)
    assert own.get("deployment", "tierguard-operator", "-n", NAMESPACE)["spec"]["replicas"] == 2
    up(own)
    assert "is frozen by promotion" in deploy(own).out


def test_uninstalling_with_everything_dead_leaves_nothing_that_holds(own: EmbeddedWorld) -> None:
    down(own)
    own.tierguard.helm("uninstall", RELEASE, "--namespace", NAMESPACE)
    assert_gone(own)
    answer = deploy(own)
    assert answer.passed, answer.out
    own.ok("delete", "namespace", NAMESPACE, "--timeout=30s")
    assert own.get("ofz", "promotion") is not None
    assert_no_finalizers_of_ours(own)
    own.ok("delete", "crd", *OUR_DEFINITIONS, "--timeout=30s")  # kubectl waits until they are gone
    own.until("nothing is left that waits to be gone", lambda: not inventory.terminating(own))
    assert not [resource for resource, _ in inventory.everything(own) if "tierguard" in resource]


def assert_gone(world: EmbeddedWorld) -> None:
    """Nothing of tierguard's asks, refuses or waits; the CRDs are there."""
    world.until("the configuration is gone", lambda: not world.tierguard.configured())
    for kind in ("validatingadmissionpolicies", "validatingadmissionpolicybindings", "mutatingwebhookconfigurations"):
        names = [item["metadata"]["name"] for item in world.get(kind)["items"]]
        assert not [name for name in names if "tierguard" in name]
    world.until("nothing is left that waits to be gone", lambda: not inventory.terminating(world))
    definitions = {item["metadata"]["name"] for item in world.get("crds")["items"]}
    assert set(OUR_DEFINITIONS) <= definitions


def assert_no_finalizers_of_ours(world: EmbeddedWorld) -> None:
    """Neither tierguard's nor kopf's; what the API server itself puts on things is there, so they were looked for."""
    found = inventory.finalizers(world)
    assert found
    assert not [each for each in found if "tierguard" in each[1] or "kopf" in each[1] or "zalando" in each[1]]
    assert not [each for each in found if "tierguard" in each[0]]
