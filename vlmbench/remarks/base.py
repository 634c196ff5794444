"""What a remark is, how code makes one (:func:`say`), and who gathers them (:func:`gathered_remarks`)."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, replace
from functools import partial
from heapq import nsmallest
from threading import Lock
from typing import ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vlmbench.errors import VlmbenchWarning
from vlmbench.markup import one_line

EXAMPLES = 3
"""A remark names at most this many."""
MOST = 100
"""A record has at most this many different remarks, and one that counts the rest."""
_LONGEST_EXAMPLE = 120
_LONGEST_BRIEF = 120
_LONGEST_TEXT = 600


@dataclass(frozen=True)
class Code:
    """One kind of remark.

    Attributes:
        name: stable, in words joined by hyphens; it stands in records, in tables' footnotes and in the documentation.
        meaning: when a result has it, in one sentence, for the documentation.
        unranked: whether a number with this remark answers another question than its task card asks, or is known to
            be wrong, so that rankings leave it out.
        not_strict: why ``vlmbench run --strict`` lets it pass. Empty: it does not.
        everywhere: it holds for a whole run rather than for one task, so that a table may say it once.
    """

    name: str
    meaning: str
    unranked: bool = False
    not_strict: str = ""
    everywhere: bool = False


class Remark(BaseModel):
    """Something that happened to data, prompts, weights or metrics.

    Attributes:
        code: the name of its :class:`Code`.
        text: one plain sentence with numbers, without the examples and without a full stop.
        brief: the same in a few words, for tables.
        count: how many files, images, classes, … it is about.
        examples: up to three of them.
        unranked: see :class:`Code`.
        everywhere: see :class:`Code`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    code: str = Field(pattern=r"^[a-z0-9-]{1,60}$")
    text: str
    brief: str
    count: int = 1
    examples: tuple[str, ...] = ()
    unranked: bool = False
    everywhere: bool = False

    @field_validator("text")
    @classmethod
    def _short_text(cls, text: str) -> str:
        """A record's file may come from anybody: what it says stays on its line, in bounds."""
        return one_line(text, _LONGEST_TEXT)

    @field_validator("brief")
    @classmethod
    def _short_brief(cls, brief: str) -> str:
        return one_line(brief, _LONGEST_BRIEF)

    @field_validator("examples")
    @classmethod
    def _short_examples(cls, examples: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(one_line(example, _LONGEST_EXAMPLE) for example in examples[:EXAMPLES])

    @property
    def sentence(self) -> str:
        """The text with the examples."""
        if not self.examples:
            return self.text
        return f"{self.text}: {', '.join(self.examples)}{', …' if self.count > len(self.examples) else ''}"


Text = str | Callable[[int], str]
"""A sentence, or what makes it of the count."""


def remark(
    code: Code, text: Text, *, brief: Text = "", count: int = 1, examples: Iterable[str] = (), unranked: bool = False
) -> Remark:
    """A remark of this code.

    Args:
        text: one plain sentence: subject, verb, object; with numbers.
        brief: a few words for tables; without, the code's name in words.
        examples: of what it is about; the three that come first in the order of the alphabet are kept.
        unranked: this one takes its number out of rankings, though not every remark of the code does.
    """
    return Remark(
        code=code.name,
        text=text(count) if callable(text) else text,
        brief=(brief(count) if callable(brief) else brief) or code.name.replace("-", " "),
        count=count,
        examples=tuple(nsmallest(EXAMPLES, set(examples))),
        unranked=code.unranked or unranked,
        everywhere=code.everywhere,
    )


def bounded(remarks: tuple[Remark, ...]) -> tuple[Remark, ...]:
    """The first :data:`MOST` remarks, and one that counts the rest."""
    if len(remarks) <= MOST + 1:
        return remarks
    rest = remarks[MOST:]
    return (*remarks[:MOST], _more(len(rest), unranked=any(remark.unranked for remark in rest)))


def _more(count: int, *, unranked: bool) -> Remark:
    text = f"{count:,} more remark{'s are' if count != 1 else ' is'} left out"
    return Remark(code="warning", text=text, brief=text, count=count, unranked=unranked)


class Gathered:
    """What was said, each once; threads may add to it. Of different remarks above :data:`MOST`, the rest is counted."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._parts: dict[tuple[object, ...], _Part] = {}
        self._left_out: set[int] = set()
        self._unranked_left_out = False

    def add(self, part: _Part) -> None:
        """Remarks of one code with the same words are one remark: counts are added, examples joined."""
        with self._lock:
            known = self._parts.get(part.key)
            if known is None and len(self._parts) >= MOST:
                self._left_out.add(hash(part.key))
                self._unranked_left_out |= part.code.unranked or part.unranked
                return
            self._parts[part.key] = part if known is None else known.joined(part)

    @property
    def remarks(self) -> list[Remark]:
        """In the order in which they came."""
        with self._lock:
            parts, left_out = list(self._parts.values()), len(self._left_out)
        more = [_more(left_out, unranked=self._unranked_left_out)] if left_out else []
        return [*dict.fromkeys(part.remark for part in parts), *more]


@dataclass(frozen=True)
class _Part:
    code: Code
    text: Text
    brief: Text
    count: int
    examples: tuple[str, ...]
    unranked: bool

    @property
    def key(self) -> tuple[object, ...]:
        """What is made of the count by the same function is one text, whatever the count; a fixed one is itself."""
        if callable(self.text):
            return self.code.name, getattr(self.text, "__code__", self.text)
        return self.code.name, self.text, self.count, self.examples

    def joined(self, other: _Part) -> _Part:
        if not callable(self.text):
            return replace(self, unranked=self.unranked or other.unranked)
        count, examples = self.count + other.count, tuple(nsmallest(EXAMPLES, {*self.examples, *other.examples}))
        return replace(self, count=count, examples=examples, unranked=self.unranked or other.unranked)

    @property
    def remark(self) -> Remark:
        return remark(
            self.code,
            self.text,
            brief=self.brief,
            count=self.count,
            examples=self.examples,
            unranked=self.unranked,
        )


_GATHERED: ContextVar[Gathered | None] = ContextVar("vlmbench_remarks", default=None)


def say(
    code: Code, text: Text, *, brief: Text = "", count: int = 1, examples: Iterable[str] = (), unranked: bool = False
) -> None:
    """Make a remark, for whoever gathers them; if no one does, it is a :class:`~vlmbench.errors.VlmbenchWarning`.

    Where the same happens to one image after the other, ``text`` and ``brief`` are functions of the count: then every
    call of the code adds to one remark. The arguments are those of :func:`remark`.
    """
    part = _Part(code, text, brief, count, tuple(nsmallest(EXAMPLES, set(examples))), unranked)
    gathered = _GATHERED.get()
    if gathered is None:
        warnings.warn(part.remark.sentence, VlmbenchWarning, stacklevel=2)
    else:
        gathered.add(part)


@contextmanager
def gathered_remarks(code: Code, gathered: Gathered | None = None) -> Iterator[Gathered]:
    """Gather what is said inside, in threads too that :func:`in_this_context` starts.

    Other libraries' warnings go to the log.

    Args:
        code: of what is said as a :class:`~vlmbench.errors.VlmbenchWarning`, by code that knows no codes.
        gathered: where they are gathered; None: in a new one.
    """
    gathered = Gathered() if gathered is None else gathered

    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        if issubclass(category, VlmbenchWarning):
            gathered.add(_Part(code, str(message), "", 1, (), unranked=False))
        else:
            logging.getLogger(__name__).info("%s: %s", category.__name__, message)

    token = _GATHERED.set(gathered)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = show  # type: ignore[assignment]
            yield gathered
    finally:
        _GATHERED.reset(token)


P = ParamSpec("P")
R = TypeVar("R")


def in_this_context(function: Callable[P, R]) -> Callable[P, R]:
    """The function, for one call in another thread: what it says is gathered where this was called."""
    return partial(copy_context().run, function)
