"""A small client of the Kubernetes API: paths in, plain mappings out, every call with a deadline.

The official client's typed models are not used: they cost milliseconds an object and drop fields that are newer than the
library, and decisions need both the speed and the fields.
"""

import json
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

import msgspec
import urllib3

from tierguard.cluster.access import Access, NoAccess, access
from tierguard.guard.model.objects import KubeObject

CALL_TIMEOUT = 10.0
"""Seconds that an ordinary call may take."""

LONGEST_RETRY = 60.0
"""The most of a Retry-After that is believed: a broken proxy shall not silence us for a day."""
LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of one event of a watch: an object of etcd's 1.5 MiB with much room to spare."""
LARGEST_ANSWER = 8 * 1024 * 1024
"""Bytes of an answer, where the caller sets no other bound: a list is as large as people make its namespace."""
_LONGEST_REFUSAL = 1024 * 1024
_CHUNK = 256 * 1024
JSON = "application/json"
_APPLY = "application/apply-patch+yaml"


class ApiError(Exception):
    """The API server said no, or could not be asked. `status` is the HTTP status, 0 when there was no answer.

    `retry_after` are the seconds for which the API server wants to be left alone, 0 where it did not say; `too_large` says
    that there was an answer with more bytes than the caller takes.
    """

    def __init__(
        self,
        status: int,
        method: str,
        path: str,
        message: str,
        retry_after: float = 0.0,
        *,
        too_large: bool = False,
    ) -> None:
        super().__init__(f"{method} {path}: {status or 'no answer'}: {message}")
        self.status = status
        self.retry_after = retry_after
        self.too_large = too_large
        self.message = message


class Api:
    """A connection to one API server. Safe to use from several threads."""

    def __init__(self, way: Access) -> None:
        self._access = way

    @classmethod
    def connect(cls, kubeconfig: Path | None = None) -> Self:
        """Connect by `kubeconfig`; without one as the pod that this runs in, or else as `kubectl` would."""
        try:
            return cls(access(kubeconfig))
        except NoAccess as error:
            raise ApiError(0, "connect", str(kubeconfig or "in-cluster"), str(error)) from None

    def get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        timeout: float = CALL_TIMEOUT,
        accept: str = JSON,
    ) -> KubeObject:
        """GET an object, or a list that is small, in the form that `accept` asks for. Raises ApiError."""
        return self._json("GET", path, query, None, None, timeout, accept)

    def get_raw(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        timeout: float = CALL_TIMEOUT,
        accept: str = JSON,
        most_bytes: int | None = None,
    ) -> bytes:
        """As `get`, not decoded. Raises ApiError, `too_large` where the answer has more than `most_bytes`."""
        return self._call("GET", path, query, None, None, timeout, accept, most_bytes=most_bytes)

    def find(self, path: str) -> KubeObject | None:
        """GET an object that may not exist: None when it does not. Raises ApiError for anything else."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def create(self, path: str, body: KubeObject, timeout: float = CALL_TIMEOUT) -> KubeObject:
        """POST `body` to the collection at `path`. Raises ApiError (409 when it exists)."""
        return self._json("POST", path, None, body, "application/json", timeout)

    def rehearse(self, path: str, body: KubeObject, timeout: float) -> None:
        """POST `body` as a dry run. Raises ApiError.

        The connection ends with it: behind a load balancer the next call may reach another API server.
        """
        self._json("POST", path, {"dryRun": "All"}, body, "application/json", timeout, last=True)

    def replace(self, path: str, body: KubeObject, timeout: float = CALL_TIMEOUT) -> KubeObject:
        """PUT `body` at `path`. Raises ApiError (409 when its resourceVersion is not the stored one)."""
        return self._json("PUT", path, None, body, "application/json", timeout)

    def apply(self, path: str, body: KubeObject, manager: str) -> KubeObject:
        """Server-side apply `body` at `path` as field manager `manager`, taking over conflicting fields."""
        query = {"fieldManager": manager, "force": "true"}
        return self._json("PATCH", path, query, body, _APPLY, CALL_TIMEOUT)

    def merge(self, path: str, body: KubeObject, manager: str) -> KubeObject:
        """JSON merge patch `body` onto the object at `path`."""
        query = {"fieldManager": manager}
        return self._json("PATCH", path, query, body, "application/merge-patch+json", CALL_TIMEOUT)

    def delete(self, path: str, uid: str = "") -> None:
        """DELETE the object at `path`, only if it still has `uid` where one is given. Gone already is fine."""
        body = {"preconditions": {"uid": uid}} if uid else None
        try:
            self._json("DELETE", path, None, body, "application/json", CALL_TIMEOUT)
        except ApiError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    def check(self, method: str, path: str) -> None:
        """Called before each call but watches. Raises ApiError where the call must not be made."""

    def patience(self, method: str, timeout: float) -> float:  # noqa: ARG002 - it is for who overrides this
        """The seconds that a call but a watch may take, whose caller would wait for `timeout`."""
        return timeout

    def watch(self, path: str, query: Mapping[str, str], silence: float, accept: str = JSON) -> Iterator[bytes]:
        """Yield the lines of a watch. Raises ApiError; ends when the server closes it.

        `silence` is how many seconds may pass without a byte before the connection counts as dead.
        """
        timeout = urllib3.Timeout(connect=CALL_TIMEOUT, read=silence)
        response = self._send("GET", path, query, None, None, timeout, accept)
        try:
            if response.status != HTTPStatus.OK:
                raise _refused(response, "WATCH", path)
            yield from _lines(response, path)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, "WATCH", path, str(error)) from None
        finally:
            response.close()

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: KubeObject | None,
        content_type: str | None,
        timeout: float,
        accept: str = JSON,
        *,
        last: bool = False,
    ) -> KubeObject:
        return dict(
            _decoded(self._call(method, path, query, body, content_type, timeout, accept, last=last), method, path)
        )

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: KubeObject | None,
        content_type: str | None,
        timeout: float,
        accept: str = JSON,
        *,
        last: bool = False,
        most_bytes: int | None = None,
    ) -> bytes:
        self.check(method, path)
        timeout = self.patience(method, timeout)
        bound = LARGEST_ANSWER if most_bytes is None else most_bytes
        deadline = time.monotonic() + timeout
        response = self._send(
            method, path, query, body, content_type, urllib3.Timeout(total=timeout), accept, last=last
        )
        try:
            if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
                raise _refused(response, method, path)
            return _whole(response, deadline, bound)
        except _TooLargeError:
            response.close()  # the rest of it is on its way
            raise ApiError(0, method, path, f"more than {bound} bytes", too_large=True) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, method, path, str(error)) from None
        finally:
            response.release_conn()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: KubeObject | None,
        content_type: str | None,
        timeout: urllib3.Timeout,
        accept: str = JSON,
        *,
        last: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": accept, **({"Content-Type": content_type} if content_type else {})}
        if last:
            headers["Connection"] = "close"
        if authorization := self._access.authorization():
            headers["authorization"] = authorization
        url = f"{self._access.host}{path}" + (f"?{urlencode(query)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        try:
            return self._access.pool.request(
                method, url, body=content, headers=headers, timeout=timeout, preload_content=False, retries=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, method, path, str(error)) from None


class _TooLargeError(Exception):
    """An answer has more bytes than are read."""


def _decoded(body: bytes, method: str, path: str) -> KubeObject:
    try:
        return dict(msgspec.json.decode(body))
    except (ValueError, TypeError, RecursionError) as error:
        raise ApiError(0, method, path, str(error)) from None


def _whole(response: urllib3.BaseHTTPResponse, deadline: float, most_bytes: int) -> bytes:
    """The body. The timeout of the connection is one of each read: a body that trickles in would never end by it."""
    chunks, length = [], 0
    while chunk := response.read1(_CHUNK):
        chunks.append(chunk)
        length += len(chunk)
        if length > most_bytes:
            raise _TooLargeError
        if time.monotonic() > deadline:
            message = "the answer came too slowly"
            raise TimeoutError(message)
    return b"".join(chunks)


def _lines(response: urllib3.BaseHTTPResponse, path: str) -> Iterator[bytes]:
    pending = b""
    while chunk := response.read1(_CHUNK):
        *whole, pending = (pending + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
        if len(pending) > LONGEST_LINE:
            raise ApiError(0, "WATCH", path, f"an event of more than {LONGEST_LINE} bytes")


def _refused(response: urllib3.BaseHTTPResponse, method: str, path: str) -> ApiError:
    try:
        said = msgspec.json.decode(_whole(response, time.monotonic() + CALL_TIMEOUT, _LONGEST_REFUSAL))
        message = str(said.get("message") or response.reason)
    except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError, _TooLargeError):
        message = str(response.reason)
    return ApiError(response.status, method, path, message, _retry_after(response))


def _retry_after(response: urllib3.BaseHTTPResponse) -> float:
    written = response.headers.get("Retry-After", "")
    return min(float(written), LONGEST_RETRY) if written.isascii() and written.isdigit() else 0.0
