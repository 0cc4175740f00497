"""Rule `secrets`: no secret reaches a container through its environment."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import EnvironmentSecrets, RuleId
from tierguard.api.rules import SecretsRule
from tierguard.guard.model import objects
from tierguard.guard.model.container_spec import ContainerSpec, EnvFrom, EnvVar, Named
from tierguard.guard.model.memory import Memory
from tierguard.guard.model.pod import CONTAINER_PARTS
from tierguard.guard.model.shape import Shape
from tierguard.guard.rules.rule import EVERY_KIND, Reads, Situation, Violation

_SHOWN = 32
MOST_TOLD = 20
"""Variables of a container that are kept of a large environment."""
_LONGEST_VALUE = 128 * 1024
"""Characters of a value that are looked at: Linux starts no process with a longer one (MAX_ARG_STRLEN)."""
_LONGEST_NAME = 512
"""Characters of a variable's name that are looked at."""
_STANDS_FOR_SECRET = "-----BEGIN PRIVATE KEY"  # noqa: S105 - the head of one, and nothing behind it
"""Stands for a secret in what is kept of a large environment: it counts as one whatever its variable is called."""
_NAMES = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)(?:_|$)",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(
    r"_(?:FILE|PATH|DIR|NAME|URL|URI|ENDPOINT|HOST|TTL|SECONDS|EXPIRY|LIFETIME|ISSUER|TYPE|ENABLED|ID)$", re.IGNORECASE
)
_PLAIN = re.compile(r"(?:true|false|[0-9]+|)", re.IGNORECASE)
# It starts at the colon, not at the scheme: a long run of letters would be tried from each of them. A port before a query
# is no password, but a password may have what should have been escaped.
_USERINFO = re.compile(r"(?<=[A-Za-z0-9+.-])://[^/?#\s:@]*:(?![0-9]+[?#])[^/\s@]+@")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")
_EXPANDED = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_]*\)")


class Secrets:
    """No environment variable has a secret: neither by reference to a Secret, nor written out.

    Why: the environment is inherited by every child process, printed by crash handlers and debug pages, kept in core dumps
    and shown by `kubectl describe` where it is written out; and it stays as it was while the pod lives, so that a changed
    password is wrong there until somebody restarts the pod. A mounted file is updated, and only the process that needs it
    reads it. These count as written out: a value whose variable is named like a password, token or key, an address with a
    password in it, and a private key.
    """

    id: ClassVar[RuleId] = RuleId.SECRETS
    block: ClassVar[str] = "secrets"
    kinds: ClassVar[frozenset[str]] = EVERY_KIND
    reads: ClassVar[Reads] = Reads.MORE

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield at most one violation a container and reason. Values are never told."""
        assert isinstance(settings, SecretsRule)  # noqa: S101 - the registry pairs block and rule
        if settings.environment is not EnvironmentSecrets.FORBIDDEN:
            return
        pod = situation.subject.workload.pod
        for part in CONTAINER_PARTS:
            for container in pod.part(part):
                yield from _container(container)


def _container(container: ContainerSpec) -> Iterator[Violation]:
    referred, written = _told(container)
    if not (referred or written):
        return  # nearly always
    name = objects.printable(container.name, 63)
    if referred:
        yield Violation(
            "SecretInEnvironment",
            f"in the environment: {_named(referred)}, in container {name}",
            "mount the Secret as a volume, and have the process read the file",
            about=f"{name}/reference",
            gap=len(referred),
        )
    if written:
        yield Violation(
            "SecretWrittenOut",
            f"secret written out: {_named(written)}, in container {name}",
            "put the value into a Secret, renew it, and mount the Secret as a volume",
            about=f"{name}/written",
            gap=len(written),
        )


_Told = tuple[tuple[str, ...], tuple[str, ...]]
_VARIABLE: Shape[EnvVar] = Shape(EnvVar)
_CLEAN: Memory[bool] = Memory("variable", 1024 * 1024)
"""Variables that neither refer to a Secret nor have one written out: what JSON has between the braces of each."""
_BETWEEN = b"},{"


def _told(container: ContainerSpec) -> _Told:
    """The names of variables that refer to a Secret, and of those that have one written out."""
    written = bytes(container.env_written)
    referred, written_out = [], []
    for piece, variable in _variables(written, container) if written else ():
        refers, secret = _secret_of(variable) is not None, _has_secret(variable)
        if refers:
            referred.append(objects.printable(variable.name, 63))
        if secret:
            written_out.append(objects.printable(variable.name, 63))
        if piece is not None and not (refers or secret):
            _CLEAN.put(piece, True)  # noqa: FBT003 - a set, as far as that goes
    if container.env_from_written:
        referred += _all_of(container.env_from)
    return tuple(referred), tuple(written_out)


def _variables(written: bytes, container: ContainerSpec) -> Iterable[tuple[bytes | None, EnvVar]]:
    """The variables of the environment `written` that are not known to be clean, each with its piece of the text.

    Without pieces, all of them, where the text cannot be cut.
    """
    found = _cut_apart(written)
    return ((None, variable) for variable in container.env) if found is None else found


def _cut_apart(written: bytes) -> list[tuple[bytes, EnvVar]] | None:
    """The text of an environment, cut between its braces, without the pieces that are known to be clean.

    None where it cannot be cut: a value may contain braces too. If each piece is a whole object, as each known one is, then
    the pieces are the objects of the list.
    """
    if not (written.startswith(b"[{") and written.endswith(b"}]")):
        return None
    pieces = _CLEAN.missing(written[2:-2].split(_BETWEEN))
    if len(pieces) > _MOST_PIECES:
        return None
    try:
        return [(piece, _VARIABLE.decoded(b"{%b}" % piece)) for piece in pieces]
    except objects.Unreadable:
        return None


_MOST_PIECES = 256
"""New variables of an environment that are looked at one by one."""


def _secret_of(variable: EnvVar) -> Named | None:
    """The Secret that the variable refers to."""
    return None if variable.value_from is None else variable.value_from.secret_key_ref


def _has_secret(variable: EnvVar) -> bool:
    """Whether a secret is written out in the variable."""
    return variable.value is not None and _is_secret(variable.name, variable.value)


def _named(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return objects.printable(names[0], _SHOWN) + more


def _all_of(env_from: tuple[EnvFrom, ...]) -> Iterator[str]:
    for group in env_from:
        if group.secret_ref is not None:
            yield f"all of Secret {objects.printable(group.secret_ref.name, 63)}"


def telling(variables: Iterable[EnvVar]) -> list[dict[str, Any]]:
    """The first `MOST_TOLD` of `variables` that break this rule, with short values that break it in the same way.

    They stand for an environment that is too large to be kept.
    """
    found: list[dict[str, Any]] = []
    for variable in variables:
        secret = _secret_of(variable)
        if secret is not None:
            kept: dict[str, Any] = {"valueFrom": {"secretKeyRef": {"name": secret.name[:253]}}}
        elif _has_secret(variable):
            kept = {"value": _STANDS_FOR_SECRET}
        else:
            continue
        found.append({"name": objects.printable(variable.name, 63), **kept})
        if len(found) == MOST_TOLD:
            break
    return found


def _is_secret(name: str, written: str) -> bool:
    # $(VARIABLE) is another variable's value, which is looked at there.
    value = written[:_LONGEST_VALUE]
    if "$(" in value:
        value = _EXPANDED.sub("", value)
    if ("://" in value and _USERINFO.search(value)) or ("-----BEGIN" in value and _PRIVATE_KEY.search(value)):
        return True
    return _named_like_one(_cut(name)) and not _PLAIN.fullmatch(value)


def _cut(name: str) -> str:
    """Padding hides nothing: what a name begins and ends with says what it is."""
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME // 2] + name[-_LONGEST_NAME // 2 :]


@lru_cache(maxsize=4096)  # names come again and again, values do not
def _named_like_one(name: str) -> bool:
    return bool(_NAMES.search(name)) and not _NO_SECRET.search(name)
