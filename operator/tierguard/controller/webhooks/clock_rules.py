"""What the policy against planted times looks at, for the chart: `python -m tierguard.controller.webhooks.clock_rules FILE`.

The chart makes that policy, so that it is there before any operator is. Its rules are the registry's: exactly the paths
whose time decides anything, and exactly the fields that a freeze may hold.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from tierguard.controller.webhooks.conditions import touches
from tierguard.controller.webhooks.configuration import rules, served
from tierguard.guard.resources.registry import AROUND
from tierguard.guard.resources.resource import UPDATE

_HEAD = "# Generated from the registry of guarded kinds by `make generate`. Do not edit.\n"


def clock_rules() -> dict[str, Any]:
    """`resourceRules` as in matchConstraints, and `touches`, a CEL expression. Scales and deletions carry no time."""
    timed = [resource for resource in AROUND if UPDATE in resource.operations]
    return {
        "resourceRules": rules(timed, lambda resource: {"": (UPDATE,), **served(resource)}),
        "touches": touches(AROUND),
    }


def main() -> None:
    """Write it to the file that is named on the command line."""
    Path(sys.argv[1]).write_text(_HEAD + yaml.safe_dump(clock_rules(), sort_keys=False, width=120), encoding="utf-8")


if __name__ == "__main__":
    main()
