"""Lists in pages that are bounded in bytes, not only in objects: five hundred objects may be half a gigabyte."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from tierguard.cluster.client import CALL_TIMEOUT, JSON, LARGEST_ANSWER, Api, ApiError
from tierguard.guard.model.objects import KubeObject

PAGE = 500
"""Objects a page, at most."""
PAGE_BYTES = 4 * 1024 * 1024
"""Bytes a page. Of one that would be larger nothing is decoded: it is asked for again with fewer objects."""
_FASTER = 4
"""How many times as many objects a page may have as the one before it."""


class Page(msgspec.Struct, frozen=True):
    """A part of a list. The items are not decoded: one at a time is, by whoever wants them."""

    metadata: dict[str, Any] = {}
    items: list[msgspec.Raw] | None = None

    def objects(self) -> Iterator[dict[str, Any]]:
        """The items, decoded one after the other. Raises ApiError where one is no object."""
        for item in self.items or ():
            try:
                yield _OBJECT.decode(item)
            except (msgspec.DecodeError, RecursionError) as error:
                raise ApiError(0, "GET", "an item", str(error)) from None


_PAGE = msgspec.json.Decoder(Page)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


class Pages:
    """The pages of one collection. How many objects fit into one is remembered from list to list."""

    def __init__(self) -> None:
        self._fit = PAGE

    def read(
        self,
        api: Api,
        path: str,
        query: Mapping[str, str],
        timeout: float = CALL_TIMEOUT,
        accept: str = JSON,
        most: int = PAGE,
    ) -> Iterator[Page]:
        """Yield the pages, of at most `most` objects each. Raises ApiError; 410 when the list took too long."""
        asking = dict(query)
        while True:
            limit = max(1, min(most, self._fit))
            asking["limit"] = str(limit)
            # A single object is taken as it is: the API server stores none of more than a few MiB.
            bound = PAGE_BYTES if limit > 1 else LARGEST_ANSWER
            try:
                body = api.get_raw(path, asking, timeout, accept, bound)
            except ApiError as error:
                if not error.too_large or limit == 1:
                    raise
                self._fit = max(1, limit // 4)
                continue
            page = _decoded(body, path)
            if page.items:
                self._fit = max(1, min(PAGE_BYTES // 2 * len(page.items) // len(body), limit * _FASTER))
            del body
            yield page
            following = str(page.metadata.get("continue") or "")
            if not following:
                return
            if following == asking.get("continue"):
                raise ApiError(0, "GET", path, "the list goes on where it already was")
            asking["continue"] = following


def every(api: Api, path: str, most: int | None = None) -> Iterator[KubeObject]:
    """All objects of the collection at `path`, one after the other; those of its first `most` pages. Raises ApiError."""
    for page in islice(Pages().read(api, path, {}), most):
        yield from page.objects()


def _decoded(body: bytes, path: str) -> Page:
    try:
        return _PAGE.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ApiError(0, "GET", path, str(error)) from None
