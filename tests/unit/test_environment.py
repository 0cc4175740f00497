"""The variables of an environment, cut between braces: the same names are told as of the environment decoded whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tierguard.guard.model.container_spec import ContainerSpec
from tierguard.guard.rules import secrets

TRICKS = ["},{", '"},{"', '","value":"x"},{"name":"TOKEN', "a://b:c@d", "\\", "}]", "[{", "live", "", "caf\u00e9"]
NAMES = ["MODE", "API_KEY", "PASSWORD", "REGION", "},{", '"', "TOKEN"]
SOURCES: list[Any] = [
    {"secretKeyRef": {"name": "keys", "key": "k"}},
    {"configMapKeyRef": {"name": "limits", "key": "k"}},
    {"fieldRef": {"fieldPath": "status.podIP"}},
]
TEXTS = st.lists(st.sampled_from(TRICKS), max_size=3).map("".join)
VARIABLES = st.fixed_dictionaries(
    {"name": st.sampled_from(NAMES)}, optional={"value": TEXTS, "valueFrom": st.sampled_from(SOURCES)}
)


def told(written: bytes) -> secrets._Told:
    return secrets._told(ContainerSpec(name="app", env_written=Raw(written)))


def told_of_the_whole(env: list[Any]) -> secrets._Told:
    """The same without any cut: the list has a space before it, so that it is decoded whole."""
    return told(b" " + json.dumps(env).encode())


@given(st.lists(VARIABLES, max_size=6))
def test_a_cut_environment_is_told_of_like_a_whole_one(env: list[Any]) -> None:
    compact = json.dumps(env, separators=(",", ":"), ensure_ascii=False).encode()
    wanted = told_of_the_whole(env)
    assert told(compact) == wanted
    assert told(compact) == wanted, "and when its variables are known"


def test_a_value_with_the_text_of_known_variables_hides_nothing() -> None:
    assert told(b'[{"name":"A","value":"1"}]') == ((), ())
    for written in (
        '[{"name":"A","value":"1"},{"name":"TOKEN","value":"},{"},{"name":"A","value":"1"}]',
        '[{"name":"A","value":"1"},{"name":"TOKEN","value":"x"},{"name":"A","value":"1"}]',
    ):
        assert told(written.encode()) == ((), ("TOKEN",))


@pytest.mark.parametrize(
    "written", [b"null", b"[]", b"[null]", b'[{"name":7}]', b'[{"value":1,"name":"TOKEN"}]', b"{}"]
)
def test_what_is_no_list_of_variables_tells_nothing(written: bytes) -> None:
    assert told(written) == ((), ())


def test_many_new_variables_are_decoded_at_once_and_told_of_alike() -> None:
    env = [{"name": f"V{number}", "value": "x"} for number in range(secrets._MOST_PIECES + 1)]
    env.append({"name": "PASSWORD", "value": "x"})
    compact = json.dumps(env, separators=(",", ":")).encode()
    assert told(compact) == ((), ("PASSWORD",)) == told_of_the_whole(env)
