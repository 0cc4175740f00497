"""The corpus through `tierguard check --before`: files that say what was, and files that say what is to be."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cases.corpus import OUR_KINDS, VERDICTS, Case, cases
from tests.e2e import manifests
from tierguard.cli.main import main

ALL = cases()


def told_by_files(case: Case) -> bool:
    """Our own kinds count as reviewed in Git: what one person may do to them over kubectl is no question to files."""
    return next(side["kind"] not in OUR_KINDS for side in case.sides() if side is not None)


CASES = [case for case in ALL if told_by_files(case)]


def written(path: Path, documents: list[Any]) -> str:
    path.mkdir()
    (path / "all.yaml").write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return str(path)


def findings(decided: dict[str, Any]) -> list[str]:
    return [
        f"{found['rule']}/{found['reason']}" + ("" if found["effect"] == "Deny" else f" ({found['effect']})")
        for found in decided["findings"]
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_command_decides_as_the_case_says(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = case.sides()
    given = case.given()
    before = written(tmp_path / "before", given + [side for side in (old,) if side is not None])
    # A deletion is what is no longer there; otherwise only what changes is given.
    after = written(tmp_path / "after", given if new is None else [new])
    arguments = ["check", after, "--before", before, "-o", "json", *(["--prune"] if new is None else [])]

    code = main([*arguments, *(["--at", case.content["at"]] if "at" in case.content else [])])

    out = capsys.readouterr().out
    subject = case.change().subject
    (decided,) = [each for each in json.loads(out) if each["subject"] == subject]
    assert decided["outcome"] == VERDICTS[case.path.parent.name], decided
    assert code == (decided["outcome"] == "Denied")
    assert decided["change"] == case.expected["kinds"]
    assert findings(decided) == list(case.expected.get("findings", []))
    if "message" in case.expected:
        assert decided["message"] == case.expected["message"]


def test_only_cases_about_our_own_kinds_are_left_out() -> None:
    left = {case.rule for case in ALL if not told_by_files(case)}

    assert left <= {"resource", "weakening", "freeze", "window"}


POLICY = {
    "apiVersion": "tierguard.io/v1alpha1",
    "kind": "PaymentTierPolicy",
    "metadata": {"name": "keep"},
    "spec": {
        "tier": 1,
        "requestedBy": "platform-team",
        "scope": {"workloadSelector": {"matchLabels": {"role": "money"}}},
        "rules": {"disruptionBudget": {"mode": "Require", "maxUnavailable": 1}},
    },
}


def deployment(app: str = "core", **spec: Any) -> dict[str, Any]:
    made = manifests.deployment("payments", "core")
    made["metadata"]["labels"]["role"] = "money"
    made["spec"]["template"]["metadata"]["labels"] = {"app": app}
    made["spec"] |= spec
    return made


def budget(app: str = "core", **spec: Any) -> dict[str, Any]:
    return manifests.budget("payments", "own", app, **spec)


def decided(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], before: list[Any], after: list[Any], *options: str
) -> dict[str, tuple[str, list[str]]]:
    was, will = written(tmp_path / "was", before), written(tmp_path / "will", after)
    main(["check", will, "--before", was, "-o", "json", *options])
    return {
        each["subject"].partition(" ")[0]: (each["outcome"], findings(each))
        for each in json.loads(capsys.readouterr().out)
    }


def test_a_budget_that_comes_along_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = decided(tmp_path, capsys, [POLICY], [deployment(), budget()])

    assert found["Deployment"][0] == "Allowed"
    assert found["PodDisruptionBudget"][0] == "Allowed"


def test_two_changes_do_not_excuse_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Each by itself is the second to break it; together they take the budget away from the pods.
    after = [deployment("other"), budget("another")]

    found = decided(tmp_path, capsys, [POLICY, deployment(), budget()], after)

    assert found["Deployment"] == ("Denied", ["disruption-budget/NoBudget"])


def test_two_changes_that_fit_each_other_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = decided(tmp_path, capsys, [POLICY, deployment(), budget()], [deployment("other"), budget("other")])

    assert {outcome for outcome, _ in found.values()} == {"Allowed"}


def test_what_was_broken_before_only_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = decided(tmp_path, capsys, [POLICY, deployment()], [deployment(minReadySeconds=5)])

    assert found["Deployment"] == ("Allowed", ["disruption-budget/NoBudget (Warn)"])


def test_what_did_not_change_but_a_workload_is_not_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = [POLICY, deployment(), budget()]

    assert set(decided(tmp_path, capsys, before, before)) == {"PaymentTierPolicy", "Deployment"}


@pytest.mark.parametrize(("options", "expected"), [((), None), (("--prune",), "Denied")])
def test_what_is_no_longer_there_is_deleted_only_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], expected: str | None
) -> None:
    found = decided(tmp_path, capsys, [POLICY, deployment(), budget()], [POLICY, deployment()], *options)

    assert found.get("PodDisruptionBudget", (None,))[0] == expected
    assert found["Deployment"][0] == "Allowed"  # it did not change: the budget did


def test_a_secret_that_changed_is_a_change_to_what_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reader = deployment()
    reader["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "keys"}}]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "payments"}}
    before = [manifests.freeze("hold"), reader, {**secret, "data": {"key": "b2xk"}}]

    found = decided(tmp_path, capsys, before, [{**secret, "data": {"key": "bmV3"}}])

    assert found["Secret"] == ("Denied", ["freeze/ActiveFreeze"])


def test_prune_without_before_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", written(tmp_path / "files", [deployment()]), "--prune"]) == 2
    assert "--before" in capsys.readouterr().err


def test_a_before_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = written(tmp_path / "was", [deployment(replicas="three")])

    assert main(["check", written(tmp_path / "will", [deployment()]), "--before", broken]) == 2
    assert "spec.replicas" in capsys.readouterr().err
