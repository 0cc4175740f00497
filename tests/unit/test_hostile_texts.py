"""The longest texts that the API server lets through, made to be slow to match: each is answered in milliseconds."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.api.rules import (
    EvidenceRule,
    ImagesRule,
    ProbesRule,
    ResourcesRule,
    SecretsRule,
)
from tierguard.disruption.scaled import scaled_value
from tierguard.guard.freezes.break_glass import BREAK_GLASS, Mark, judge_mark
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, Operation, Question
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.rules import RULES
from tierguard.guard.rules.rule import Situation, Violation
from tierguard.guard.tiers.classify import Classified
from tierguard.webhook.gate import LONGEST_SECONDS, PATIENCE, patience
from tierguard.webhook.lookup import _NAME

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
PLACE = "payments"
MIB = 1024 * 1024
LARGEST = 3 * MIB // 2
"""Bytes of JSON of an object that etcd takes."""
ANNOTATIONS = 256 * 1024
"""Bytes of all annotations of an object; of anything else the API server takes a megabyte and a half."""
SECONDS = 0.030
Document = dict[str, Any]


def quickly(act: Callable[[], object], seconds: float = SECONDS) -> None:
    """Assert that `act` takes less CPU than `seconds`; the best of five, as the machine has other things to do."""
    taken = []
    for _ in range(5):
        began = time.thread_time()
        act()
        taken.append(time.thread_time() - began)
    assert min(taken) < seconds, taken


MARKS = (
    *("a:" + " " * ANNOTATIONS, "a: b;" + " " * ANNOTATIONS, "a: b; until=" + "x" * ANNOTATIONS),
    *(":" * ANNOTATIONS, ";" * ANNOTATIONS, "a" * ANNOTATIONS, "a: " * (ANNOTATIONS // 3), " " * ANNOTATIONS),
    *("a:" + " " * 800 + ";" * 100, "a:" + " " * 1000, "a: " + "b " * 400),
)


@pytest.mark.parametrize("mark", MARKS, ids=range(len(MARKS)))
def test_a_break_glass_mark_of_any_length_is_read_quickly(mark: str) -> None:
    workload = manifests.deployment(PLACE)
    workload["metadata"]["annotations"] = {BREAK_GLASS: mark}
    change = Change(Operation.UPDATE, "Deployment", PLACE, "payment-core", workload, workload, "sara")
    quickly(lambda: judge_mark(change, NOW))
    assert not isinstance(judge_mark(change, NOW), Mark)


def test_an_ordinary_mark_counts_whatever_spaces_are_in_it() -> None:
    workload = manifests.deployment(PLACE)
    workload["metadata"]["annotations"] = {BREAK_GLASS: "  INC-7:   payments fail ;  until=2026-11-11T12:30:00Z "}
    answers = {Question("bypass"): True}
    found = judge_mark(Change(Operation.UPDATE, "Deployment", PLACE, "x", workload, workload, "sara", answers), NOW)
    assert found == Mark("INC-7", "payments fail", datetime(2026, 11, 11, 12, 30, tzinfo=UTC))


TEXTS = {
    **{f"all {character!r}": character * MIB for character in "_a0:/@ -.$=K,\n\0é"},
    "schemes": "a://" * (MIB // 4),
    "users": "a://x:" * (MIB // 6),
    "one user": "a://x:" + "y" * MIB,
    "ports": "a://x:" + "1" * MIB,
    "colons": "a://" + ":" * MIB,
    "keys": "-----BEGIN " * (MIB // 11),
    "one key": "-----BEGIN " + "A " * (MIB // 2),
    "private": "-----BEGIN " + "PRIVATE " * (MIB // 8),
    "expanded": "$(" * (MIB // 2),
    "one expanded": "$(" + "a" * MIB,
    "words": "_PASSWORDS" * (MIB // 10),
    "api": "_API_" * (MIB // 5),
    "digests": "@sha256:" * (MIB // 8),
    "hexadecimal": "@sha256:" + "a" * MIB,
    "almost": ("@sha256:" + "a" * 64) * (MIB // 72),
    "number": "1" * MIB + "x",
    "sign": "+" + "1" * MIB + "Ki",
    "mixed": "a1.-_/:@" * (MIB // 8),
}
Put = Callable[[Document, str], None]


def container(document: Document) -> Document:
    found: Document = document["spec"]["template"]["spec"]["containers"][0]
    return found


def in_image(document: Document, text: str) -> None:
    container(document)["image"] = text


def in_variable(document: Document, text: str) -> None:
    container(document)["env"] = [{"name": "PASSWORD_FILE", "value": text}]


def in_the_name_of_a_variable(document: Document, text: str) -> None:
    container(document)["env"] = [{"name": text, "value": "x"}]


def in_the_name_of_a_container(document: Document, text: str) -> None:
    container(document)["name"] = text


def in_a_quantity(document: Document, text: str) -> None:
    container(document)["resources"] = {"requests": {"cpu": text, "memory": "1Gi"}, "limits": {"memory": "1Gi"}}


def in_a_path(document: Document, text: str) -> None:
    probe = {"httpGet": {"path": text, "port": text}}
    container(document).update({"livenessProbe": probe, "readinessProbe": probe})


def in_evidence(document: Document, text: str) -> None:
    prefix = "evidence.tierguard.io/"
    document["metadata"]["annotations"] = {f"{prefix}images": text[:ANNOTATIONS], f"{prefix}drill": text[:ANNOTATIONS]}


SETTINGS: dict[Put, tuple[str, Any]] = {
    in_image: ("images", ImagesRule.model_validate({"registries": ["registry.example.com"] * 20})),
    in_variable: ("secrets", SecretsRule()),
    in_the_name_of_a_variable: ("secrets", SecretsRule()),
    in_the_name_of_a_container: ("images", ImagesRule()),
    in_a_quantity: ("resources", ResourcesRule()),
    in_a_path: ("probes", ProbesRule.model_validate({"forbiddenPaths": [f"/x{n}" for n in range(20)]})),
    in_evidence: (
        "evidence",
        EvidenceRule.model_validate({"proofs": [{"annotation": "drill", "maxAgeDays": 30}], "annotations": ["change"]}),
    ),
}


def judged(document: Document, block: str, settings: Any) -> list[Violation]:
    workload = Workload.of(document)
    assert workload is not None
    (rule,) = (rule for rule in RULES if rule.block == block)
    return list(rule.check(Situation(Classified(workload, 1, {}, ()), State(), NOW), settings))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("put", SETTINGS, ids=lambda put: put.__name__)
def test_a_rule_judges_a_text_of_a_megabyte_in_milliseconds(put: Put, text: str) -> None:
    document = manifests.deployment(PLACE)
    put(document, text)
    if (size := len(json.dumps(document))) > LARGEST:  # control characters take six bytes each
        put(document, text[: len(text) * LARGEST // size])
    quickly(lambda: judged(document, *SETTINGS[put]))


def test_a_very_long_name_hides_no_secret_and_is_none_by_itself() -> None:
    document = manifests.deployment(PLACE)
    for name in ("DB_PASSWORD", "X" * 2000 + "_PASSWORD", "PASSWORD_" + "X" * 2000):
        in_the_name_of_a_variable(document, name)
        assert [found.reason for found in judged(document, "secrets", SecretsRule())] == ["SecretWrittenOut"]
    in_the_name_of_a_variable(document, "X" * 4000)
    assert judged(document, "secrets", SecretsRule()) == []


def test_evidence_about_very_many_images_is_looked_up_and_not_compared() -> None:
    document = manifests.deployment(PLACE)
    pod = document["spec"]["template"]["spec"]
    pod["containers"] = [{"name": f"c{n}", "image": f"r.example.com/a{n}:1"} for n in range(5_000)]
    listed = ",".join(f"r.example.com/a{n}:2" for n in range(10_000))
    document["metadata"]["annotations"] = {"evidence.tierguard.io/images": listed}
    settings = EvidenceRule.model_validate({"annotations": ["change"]})
    quickly(lambda: judged(document, "evidence", settings), 0.2)
    (_, found) = judged(document, "evidence", settings)
    assert found.detail.endswith("and 4999 more")


@pytest.mark.parametrize("entry", ["sha256:" + "a" * 12, "sha256:" + "a" * 64, "other/name@sha256:" + "a" * 64])
def test_an_image_is_spoken_of_by_its_digest_or_enough_of_it(entry: str) -> None:
    document = manifests.deployment(PLACE, image=manifests.PINNED)
    settings = EvidenceRule.model_validate({"annotations": ["change"]})
    document["metadata"]["annotations"] = {"evidence.tierguard.io/images": f"x, {entry}\n,y"}
    assert [found.reason for found in judged(document, "evidence", settings)] == ["MissingEvidence"]
    document["metadata"]["annotations"] = {"evidence.tierguard.io/images": f"x,{entry[:-1]}b"}
    assert "OtherImages" in [found.reason for found in judged(document, "evidence", settings)]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_names_durations_percentages_and_messages_are_bounded_before_they_are_matched(text: str) -> None:
    quickly(lambda: _NAME.fullmatch(text))
    quickly(lambda: objects.printable(text, 350))
    assert len(objects.printable(text, 350)) <= 350
    quickly(lambda: patience(f"timeout={text}"))
    assert patience(f"timeout={text}") == LONGEST_SECONDS * PATIENCE

    def scaled() -> None:
        with pytest.raises(ValueError, match="neither a whole number nor a percentage") as found:
            scaled_value(f"{text}%", 3, round_up=True)
        assert len(str(found.value)) < 300

    quickly(scaled)
