"""Numbers that are either a count or a percentage of one."""

import math
import re

_PERCENTAGE = re.compile(r"([+-]?[0-9]+)%")
_INT64 = 2**63
_LONGEST = 32
"""Characters of a percentage: one of 64 bits has fewer."""


def scaled_value(value: int | str, total: int, *, round_up: bool) -> int:
    """`value` as a number of pods: itself, or that percentage of `total` rounded up or down.

    Follows intstr.GetScaledValueFromIntOrPercent (apimachinery, pkg/util/intstr), which neither caps a percentage at
    100 nor minds a negative one. Raises ValueError for a string that is no whole percentage ("3" is none: it lacks
    the %).
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    written = _PERCENTAGE.fullmatch(value) if isinstance(value, str) and len(value) <= _LONGEST else None
    if written is None or not -_INT64 <= int(written[1]) < _INT64:
        msg = f"{str(value)[:_LONGEST]!r} is neither a whole number nor a percentage such as '25%'"
        raise ValueError(msg)
    scaled = float(int(written[1])) * float(total) / 100  # in floating point, as Kubernetes does
    return math.ceil(scaled) if round_up else math.floor(scaled)
