"""Reading the words of a caption, without the claims it carries."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

from vlmbench.demo.captions import plural
from vlmbench.demo.spec import SHAPES

_SINGULAR = {plural(shape): shape for shape in SHAPES}


def phrases(text: str) -> Iterator[list[str]]:
    """The words of each noun phrase: what stands between joining words."""
    for phrase in re.split(r" and | next to | with ", text):
        yield [_SINGULAR.get(word, word) for word in re.findall(r"[a-z0-9-]+", phrase)]


def named(words: list[str], known: Container[str]) -> str:
    """The one of the known words that is there; the empty string where none is."""
    found = [word for word in words if word in known]
    assert len(found) <= 1, words
    return found[0] if found else ""
