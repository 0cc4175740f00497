"""`tierguard check`: exit codes, and what people read when their input is wrong."""

import io
import json
from pathlib import Path

import pytest

from tierguard.cli.main import main

REPOSITORY = Path(__file__).resolve().parents[2]
PLATFORM = str(REPOSITORY / "tests" / "demo" / "platform")
POLICIES = [str(REPOSITORY / "policies" / part) for part in ("tiers", "freezes", "windows")]

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: core, namespace: payments, labels: {tierguard.io/tier: %s}}
spec: {replicas: 3, template: {metadata: {labels: {app: core}}, spec: {containers: [{name: a, image: "x:1"}]}}}
"""
POLICY = """\
apiVersion: tierguard.io/v1alpha1
kind: PaymentTierPolicy
metadata: {name: mine}
spec: {tier: 1, requestedBy: platform, scope: {}%s}
"""
FREEZE = """\
apiVersion: tierguard.io/v1alpha1
kind: OperationalFreeze
metadata: {name: mine}
spec: {reason: x, requestedBy: sre, schedule: {timeZone: %s, periods: [{monthDays: [1]}]}}
"""


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("2026-11-11T12:00:00Z", 1),  # a double day
        ("2026-11-22T12:00:00Z", 1),  # a Sunday
        ("2026-11-23T12:00:00+07:00", 0),  # a Monday at noon in Bangkok
    ],
)
def test_the_exit_code_says_whether_something_is_denied(at: str, code: int) -> None:
    assert main(["check", PLATFORM, "--policies", *POLICIES, "--at", at]) == code


def test_the_table_names_the_first_instant_at_which_nothing_holds(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", f"{PLATFORM}/payment-core.yaml", "--policies", *POLICIES, "--at", "2026-11-11T12:00:00Z"])

    # The freeze ends on the 11th at 23:00Z; the window opens on Thursday the 12th at 10:00 in Bangkok.
    assert "possible from 2026-11-12T03:00:00Z" in capsys.readouterr().out


def test_json_has_every_finding(capsys: pytest.CaptureFixture[str]) -> None:
    main(
        [
            "check",
            f"{PLATFORM}/payment-core.yaml",
            "--policies",
            *POLICIES,
            "--at",
            "2026-11-11T12:00:00Z",
            "-o",
            "json",
        ]
    )

    (decided,) = json.loads(capsys.readouterr().out)
    assert decided["outcome"] == "Denied"
    assert [f["rule"] for f in decided["findings"] if f["effect"] == "Deny"] == ["freeze", "window"]
    assert decided["possibleFrom"] == "2026-11-12T03:00:00Z"


WRONG = {
    "no such file": ("", ["nowhere.yaml"], ["nowhere.yaml", "No such file"]),
    "not YAML": ("a: [", [], ["input.yaml", "not YAML"]),
    "no Kubernetes object": ("just text", [], ["input.yaml (document 1)", "no kind"]),
    "no metadata": ("kind: Deployment", [], ["input.yaml (document 1)", "metadata is missing"]),
    "a label that is a number": (DEPLOYMENT % 1, [], ["Deployment core", "metadata.labels", "put it in quotes"]),
    "a version that is no longer served": (
        (DEPLOYMENT % '"1"').replace("apps/v1", "apps/v1beta1"),
        [],
        ["Deployment core", "apiVersion", "expected apps/v1"],
    ),
    "a replica count that is text": (
        (DEPLOYMENT % '"1"').replace("replicas: 3", "replicas: three"),
        [],
        ["Deployment core", "spec.replicas", "'three'"],
    ),
}


@pytest.mark.parametrize(("text", "arguments", "named"), WRONG.values(), ids=WRONG.keys())
def test_bad_input_is_named_without_a_stack_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, arguments: list[str], named: list[str]
) -> None:
    path = tmp_path / "input.yaml"
    path.write_text(text, encoding="utf-8")

    assert main(["check", *(arguments or [str(path)])]) == 2

    said = capsys.readouterr().err
    assert all(part in said for part in named), said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (POLICY % ", rulez: {}", ["PaymentTierPolicy mine", "spec.rulez"]),
        (POLICY.replace("tier: 1", "tier: 9") % "", ["PaymentTierPolicy mine", "spec.tier", "found 9"]),
        (FREEZE % "Mars/Olympus", ["OperationalFreeze mine", "spec.schedule.timeZone", "Mars/Olympus"]),
    ],
)
def test_what_cannot_be_decided_by_is_refused_by_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, named: list[str]
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")

    assert main(["check", PLATFORM, "--policies", str(path)]) == 2

    said = capsys.readouterr().err
    assert all(part in said for part in named), said


def test_an_instant_without_an_offset_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", PLATFORM, "--at", "2026-11-11T12:00:00"])

    assert ended.value.code == 2
    assert "argument --at" in capsys.readouterr().err


def test_standard_input_is_a_path(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(DEPLOYMENT % '"gold"'))

    assert main(["check", "-"]) == 1
    assert "'gold'" in capsys.readouterr().out
