"""The corpus: one decision a file, `tests/cases/<rule>/{pass,fail}/<what-it-shows>.yaml`.

A case says what is there (`given`), what somebody wants to do (`change`: create, update or delete), and what comes of it
(`expect`). It is replayed through the function and, against a real API server, through the webhook. Everything namespaced
lives in `payments`; the live replay moves it to a namespace of its own.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tierguard.api.kinds import KINDS
from tierguard.cli.picture import picture
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.state import State
from tierguard.guard.rules import RULES

ROOT = Path(__file__).resolve().parent
NAMESPACE = "payments"
OUR_KINDS = frozenset(kind.kind for kind in KINDS)
RULE_IDS = (*(rule.id.value for rule in RULES), "freeze", "window", "deletion", "tier", "resource", "weakening")
VERDICTS = {"pass": "Allowed", "fail": "Denied"}

Document = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One file of the corpus."""

    path: Path
    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`rule/verdict/name`."""
        return str(self.path.relative_to(ROOT).with_suffix(""))

    @property
    def rule(self) -> str:
        """The rule that it is an example of: its folder's name."""
        return self.path.parent.parent.name

    @property
    def expected(self) -> Mapping[str, Any]:
        """Outcome, kinds, findings (`rule/Reason`, with the effect in parentheses unless it is Deny), and the message."""
        found: Mapping[str, Any] = self.content["expect"]
        return found

    def given(self) -> list[Document]:
        """The objects that are there."""
        return copy.deepcopy(list(self.content.get("given") or ()))

    def sides(self) -> tuple[Document | None, Document | None]:
        """The object before and after the change."""
        ((verb, what),) = self.content["change"].items()
        if verb == "update":
            return copy.deepcopy(what["from"]), copy.deepcopy(what["to"])
        return (None, copy.deepcopy(what)) if verb == "create" else (copy.deepcopy(what), None)

    def now(self) -> datetime:
        """When it is decided; a case with `at` cannot be replayed live."""
        written = self.content.get("at")
        return datetime.fromisoformat(written) if written else datetime.now(UTC)

    @property
    def live(self) -> bool:
        """Whether it can be replayed on a real API server, whose clock nobody sets."""
        return "at" not in self.content

    def change(self) -> Change:
        """The change, as the webhook would tell it."""
        old, new = self.sides()
        subject = new or old or {}
        operation = Operation.CREATE if old is None else Operation.DELETE if new is None else Operation.UPDATE
        kind = str(subject["kind"])
        namespace = "" if kind in OUR_KINDS else objects.namespace(subject)
        return Change(operation, kind, namespace, objects.name(subject), old, new, user="dana")

    def state(self) -> State:
        """The cluster as `given` describes it, with what is about to change as it is before."""
        old, _ = self.sides()
        everything = [*self.given(), *([old] if old is not None else [])]
        state = picture(everything)
        state.namespaces.setdefault(NAMESPACE, {})
        return state


def cases() -> list[Case]:
    """All cases. Raises ValueError for a file in a place that is none."""
    return list(_read())


def _read() -> Iterator[Case]:
    for path in sorted(ROOT.rglob("*.yaml")):
        place = path.relative_to(ROOT).parts
        if len(place) != 3 or place[0] not in RULE_IDS or place[1] not in VERDICTS:
            message = (
                f"tests/cases/{path.relative_to(ROOT)}: a case is <rule>/pass/<name>.yaml or <rule>/fail/<name>.yaml"
            )
            raise ValueError(message)
        yield Case(path, yaml.safe_load(path.read_text(encoding="utf-8")))
