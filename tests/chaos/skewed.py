"""The webhook with a clock that is wrong by TIERGUARD_CHAOS_SKEW seconds. Its workers import this module too."""

import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import tierguard.webhook.app
from tierguard.cli.main import main

_SKEW = timedelta(seconds=float(os.environ.get("TIERGUARD_CHAOS_SKEW", "0")))
_right = tierguard.webhook.app.Webhook.__init__


def _skewed(self: Any, *arguments: Any, **keywords: Any) -> None:
    _right(self, *arguments, **{**keywords, "clock": lambda: datetime.now(UTC) + _SKEW})


tierguard.webhook.app.Webhook.__init__ = _skewed  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(main())
