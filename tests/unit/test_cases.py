"""The corpus through the function; `tests/e2e/test_cases_live.py` does the same through a real API server."""

from itertools import product

import pytest

from tests.cases.corpus import RULE_IDS, VERDICTS, Case, cases
from tierguard.guard.decide import evaluate
from tierguard.guard.model.decision import MESSAGE_LIMIT, WARNING_LIMIT, Decision, Effect

CASES = cases()


def findings(decision: Decision) -> list[str]:
    return [
        f"{finding.rule}/{finding.reason}"
        + ("" if finding.effect is Effect.DENY else f" ({finding.effect.name.capitalize()})")
        for finding in decision.findings
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_function_decides_as_the_case_says(case: Case) -> None:
    decision = evaluate(case.change(), case.state(), case.now())

    assert decision.outcome == VERDICTS[case.path.parent.name], decision
    assert list(decision.kinds) == case.expected["kinds"]
    assert findings(decision) == list(case.expected.get("findings", []))
    if "message" in case.expected:
        assert decision.message == case.expected["message"]
    assert len(decision.message) <= MESSAGE_LIMIT
    assert all(len(warning) <= WARNING_LIMIT for warning in decision.warnings)


@pytest.mark.parametrize(("rule", "verdict"), list(product(RULE_IDS, VERDICTS)))
def test_every_rule_has_cases_that_pass_and_that_fail(rule: str, verdict: str) -> None:
    assert [case for case in CASES if case.rule == rule and case.path.parent.name == verdict]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_that_fails_fails_by_its_rule(case: Case) -> None:
    denied = {found.partition("/")[0] for found in case.expected.get("findings", []) if "(" not in found}
    if case.path.parent.name == "pass":
        assert not denied
    elif case.rule == "window":
        assert denied & {"window", "freeze"}
    else:
        assert case.rule in denied


def test_a_decision_is_the_same_from_try_to_try() -> None:
    for case in CASES:
        now = case.now()
        assert evaluate(case.change(), case.state(), now) == evaluate(case.change(), case.state(), now)
