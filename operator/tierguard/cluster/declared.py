"""The freezes, change windows and policies that are declared, as stored and as decisions read them."""

from collections.abc import Callable
from datetime import UTC, datetime

from tierguard.api.kinds import FREEZE, KINDS, POLICY, WINDOW, Kind
from tierguard.api.model import API_VERSION
from tierguard.cluster.around import Source
from tierguard.cluster.known import Form
from tierguard.cluster.reflector import Collection
from tierguard.guard.freezes.compiled import compile_freeze, compile_policy, compile_window
from tierguard.guard.model import objects
from tierguard.guard.model.hold import Hold, Policy
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State

_COMPILERS: tuple[tuple[Kind, Callable[[KubeObject], Hold | Policy]], ...] = (
    (FREEZE, compile_freeze),
    (WINDOW, compile_window),
    (POLICY, compile_policy),
)


class Declared:
    """Keeps our own kinds, and what they were compiled to in `state`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.raw: dict[str, dict[str, KubeObject]] = {kind.kind: {} for kind in KINDS}
        """As stored, by kind and name."""
        self._compiled: dict[str, dict[str, Hold | Policy]] = {kind.kind: {} for kind in KINDS}

    def sources(self) -> list[Source]:
        """Where they are watched, each kind with what happens when one changes."""
        return [
            Source(
                Collection(f"/apis/{API_VERSION}/{kind.plural}", API_VERSION, kind.kind, form=Form.SHARED),
                self._changed(kind.kind, compile_one),
                self._gone(kind.kind),
            )
            for kind, compile_one in _COMPILERS
        ]

    def _changed(self, kind: str, compile_one: Callable[[KubeObject], Hold | Policy]) -> Callable[[KubeObject], None]:
        def changed(obj: KubeObject) -> None:
            name = objects.name(obj)
            known = self.raw[kind].get(name)
            same = known is not None and objects.uid(known) == objects.uid(obj)
            # Where only its status changed, the compiled form stays, with its precomputed calendar.
            if not same or objects.value(known, "spec") != objects.value(obj, "spec"):
                compiled = compile_one(obj)
                if isinstance(compiled, Hold):
                    compiled.timeline.prepare(datetime.now(UTC))  # here, and not in the first review that asks
                self._compiled[kind][name] = compiled
                self._publish(kind)
            # Last: who finds it here may count on it that decisions are made by it.
            self.raw[kind] = {**self.raw[kind], name: obj}

        return changed

    def _gone(self, kind: str) -> Callable[[KubeObject], None]:
        def gone(obj: KubeObject) -> None:
            name = objects.name(obj)
            self._compiled[kind].pop(name, None)
            self._publish(kind)
            self.raw[kind] = {key: value for key, value in self.raw[kind].items() if key != name}

        return gone

    def _publish(self, kind: str) -> None:
        ordered = tuple(compiled for _, compiled in sorted(self._compiled[kind].items()))
        if kind == FREEZE.kind:
            self._state.freezes = tuple(c for c in ordered if isinstance(c, Hold))
        elif kind == WINDOW.kind:
            self._state.windows = tuple(c for c in ordered if isinstance(c, Hold))
        else:
            self._state.policies = tuple(c for c in ordered if isinstance(c, Policy))
