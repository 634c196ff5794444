"""Knows which paths are copies of places at URLs, so that messages can name the URLs. Commands that print use it."""

from __future__ import annotations

COPIES: dict[str, str] = {}
"""The copies that this process has made: the folder of each, and its URL."""


def with_urls(text: str) -> str:
    """A text with the URLs in place of the paths of copies."""
    for root in sorted(COPIES, key=len, reverse=True):
        text = text.replace(root, COPIES[root])
    return text
