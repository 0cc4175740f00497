"""One person's requests to the API server about one namespace, as dry runs: nothing changes, and everybody is asked."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tests.e2e.attacks.place import path
from tests.e2e.world import EmbeddedWorld

Document = dict[str, Any]
Change = Callable[[Document], object]
ATTEMPTS = 10
"""Times that a change is sent, where somebody else's write comes in between."""


@dataclass(frozen=True)
class Said:
    """What became of a request."""

    status: int
    message: str
    result: Document

    @property
    def passed(self) -> bool:
        return self.status < HTTPStatus.BAD_REQUEST

    @property
    def by_rbac(self) -> bool:
        """Whether this person may not try at all."""
        return self.status == HTTPStatus.FORBIDDEN and "cannot" in self.message and "tierguard.io" not in self.message

    @property
    def by_tierguard(self) -> bool:
        """Whether a webhook or policy of tierguard's refused, or the API server for want of its answer."""
        return not self.passed and ("tierguard.io" in self.message or "'tierguard-" in self.message)


@dataclass(frozen=True)
class Caller:
    """Somebody in a namespace."""

    world: EmbeddedWorld
    namespace: str
    user: str
    machine: bool = False
    """Whether `user` is a controller's name, in which the administrator calls."""

    def call(self, method: str, where: str, body: Document | None = None, **query: str) -> Said:
        """Send one request; `dryRun=""` means it."""
        user, instead = (None, self.user) if self.machine else (self.user, None)
        asked = {key: value for key, value in {"dryRun": "All", **query}.items() if value}
        status, said = self.world.call(method, where, body, user, instead, **asked)
        return Said(status, str(said.get("message")) if status >= HTTPStatus.BAD_REQUEST else "", said)

    def edit(self, resource: str, name: str, change: Change, version: str = "v1", sub: str = "") -> Said:
        """Read an object, change it, and send it back; again, a few times, where a controller writes it in between."""
        where = path(self.namespace, resource, name, version)
        said = Said(0, "not tried", {})
        for _ in range(ATTEMPTS):
            status, found = self.world.call("GET", f"{where}/scale" if sub == "scale" else where)
            assert status == HTTPStatus.OK, found
            changed = copy.deepcopy(found)
            change(changed)
            said = self.call("PUT", f"{where}/{sub}" if sub else where, changed)
            if "the object has been modified" not in said.message:
                break
        return said

    def make(self, resource: str, document: Document, version: str = "v1") -> Said:
        """Create an object."""
        return self.call("POST", path(self.namespace, resource, "", version), document)

    def drop(self, resource: str, name: str, version: str = "v1", **query: str) -> Said:
        """Delete an object, or, without a name, all of them."""
        return self.call("DELETE", path(self.namespace, resource, name, version), None, **query)
