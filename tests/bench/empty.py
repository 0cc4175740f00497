"""The empty handler: the webhook's web server, with its settings and TLS, before an application that reads and answers.

`python -m tests.bench.empty PORT CERTIFICATE KEY`. What it costs is what HTTP, TLS and the machine cost.
"""

import functools
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tierguard.webhook.server import make_server

_ANSWER = (
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",'
    b'"response":{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002","allowed":true}}'
)
_HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(_ANSWER)))]


def application(environ: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], Any]) -> Iterable[bytes]:
    """Read the body, and allow."""
    environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start("200 OK", _HEADERS)
    return (_ANSWER,)


def load(app: Any) -> Any:
    """The application, in the worker process."""
    return app


def main(port: str, certificate: str, key: str) -> None:
    """Serve until SIGTERM."""
    server = make_server("tests.bench.empty:application", "127.0.0.1", int(port), Path(certificate), Path(key))
    server.serve(target_loader=functools.partial(load, application), wrap_loader=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
