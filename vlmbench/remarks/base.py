"""Defines a remark, the function that makes one (:func:`say`), and how a run collects them (:func:`gathered_remarks`).

Every room makes remarks. ``run`` collects those of each pair into its record.
"""

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

from vlmbench.errors import VlmbenchWarning, warn_caller
from vlmbench.markup import one_line
from vlmbench.wording import counted, either

EXAMPLES = 3
"""The most examples that a remark names."""
MOST = 100
"""The most different remarks of a record. One more counts the rest."""
_LONGEST_EXAMPLE = 120
_LONGEST_BRIEF = 120
_LONGEST_TEXT = 600


@dataclass(frozen=True)
class Code:
    """One kind of remark.

    Attributes:
        name: words joined by hyphens. It never changes. Records, footnotes of tables and the documentation use it.
        meaning: when a result has it, in a sentence or two for the documentation.
        unranked: whether rankings leave the number out, because it answers a question that differs from the task card's
            or is known to be wrong.
        not_strict: why the remark passes ``vlmbench run --strict``. Empty: the remark fails the pair.
        everywhere: whether it holds for a whole run and not for one task, so that a table may show it once.
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
        text: one plain sentence with numbers. It has no examples and no full stop.
        brief: the same in a few words, for tables.
        count: the number of files, images, classes, … that it is about.
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
        """Keep the text short and on one line: a record's file may come from anyone."""
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
"""A sentence, or a function from the count to the sentence."""


def remark(
    code: Code, text: Text, *, brief: Text = "", count: int = 1, examples: Iterable[str] = (), unranked: bool = False
) -> Remark:
    """A remark of this code.

    Args:
        text: one plain sentence: subject, verb, object; with numbers.
        brief: a few words for tables. The default is the code's name in words.
        examples: what it is about, such as file names. The first three in alphabetical order are kept.
        unranked: rankings leave this number out, although other remarks of this code do not have that effect.
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
    text = f"{counted(count, 'more remark')} {either(count, 'is', 'are')} not listed"
    return Remark(code="warning", text=text, brief=text, count=count, unranked=unranked)


class Gathered:
    """Collects remarks, each once. Several threads may add to it. It counts those that come after :data:`MOST`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._parts: dict[tuple[object, ...], _Part] = {}
        self._left_out: set[int] = set()
        self._unranked_left_out = False

    def add(self, part: _Part) -> None:
        """Add a remark. Remarks with the same code and words become one: counts are added and examples joined."""
        with self._lock:
            known = self._parts.get(part.key)
            if known is None and len(self._parts) >= MOST:
                self._left_out.add(hash(part.key))
                self._unranked_left_out |= part.code.unranked or part.unranked
                return
            self._parts[part.key] = part if known is None else known.joined(part)

    @property
    def remarks(self) -> list[Remark]:
        """The remarks in the order in which they were made."""
        with self._lock:
            parts, left_out = list(self._parts.values()), len(self._left_out)
        more = [_more(left_out, unranked=self._unranked_left_out)] if left_out else []
        return [*dict.fromkeys(part.remark for part in parts), *more]

    def say_again(self) -> None:
        """Make the same remarks once more, for the :func:`gathered_remarks` that surrounds the call."""
        with self._lock:
            parts, left_out, unranked = list(self._parts.values()), set(self._left_out), self._unranked_left_out
        gathered = _GATHERED.get()
        for part in parts:
            if gathered is None:
                warn_caller(part.remark.sentence)
            else:
                gathered.add(part)
        if gathered is not None:
            with gathered._lock:
                gathered._left_out |= left_out
                gathered._unranked_left_out |= unranked


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
        """What two parts of one remark share: a function that makes the text, or the fixed text, count and examples."""
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
    """Make a remark. The surrounding :func:`gathered_remarks` collects it; without one, it becomes a
    :class:`~vlmbench.errors.VlmbenchWarning`.

    If the same thing happens to many images, let ``text`` and ``brief`` be functions of the count: then all calls
    become one remark. The arguments are those of :func:`remark`.
    """
    part = _Part(code, text, brief, count, tuple(nsmallest(EXAMPLES, set(examples))), unranked)
    gathered = _GATHERED.get()
    if gathered is None:
        warn_caller(part.remark.sentence)
    else:
        gathered.add(part)


@contextmanager
def gathered_remarks(code: Code, gathered: Gathered | None = None) -> Iterator[Gathered]:
    """Collect the remarks made inside the ``with`` block, also in threads that :func:`in_this_context` starts.

    Warnings of other libraries go to the log.

    Args:
        code: the code of each :class:`~vlmbench.errors.VlmbenchWarning`, which has no code of its own.
        gathered: the collection to add to. None: a new one.
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
    """Wrap a function for one call in another thread: its remarks are collected in the caller's collection."""
    return partial(copy_context().run, function)
