"""Knows which paths are copies of places at URLs, so that messages can name the URLs. Commands that print use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vlmbench.errors import VlmbenchError

COPIES: dict[str, str] = {}
"""The copies that this process has made: the folder of each, and its URL."""


def with_urls(text: str) -> str:
    """A text with the URLs in place of the paths of copies."""
    for root in sorted(COPIES, key=len, reverse=True):
        text = text.replace(root, COPIES[root])
    return text


@contextmanager
def naming_urls() -> Iterator[None]:
    """Let the errors of functions for Python callers name URLs, too.

    It is no decorator: its frame would hide the caller's line, at which warnings point.
    """
    try:
        yield
    except VlmbenchError as error:
        error.message = with_urls(error.message)
        error.hint = error.hint and with_urls(error.hint)
        raise
