"""The result of a conformance check: promises that are kept, broken or skipped. Every check of this package uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vlmbench.wording import counted

_LONGEST = 600
"""A report shows at most this number of characters of an exception's message."""


@dataclass(frozen=True)
class Broken:
    """A promise that the object does not keep.

    Attributes:
        promise: the promise, as a sentence.
        found: what the check found instead.
        fix: how the author can keep the promise.
    """

    promise: str
    found: str
    fix: str

    def __str__(self) -> str:
        return f"{self.promise}\n     found: {self.found}\n     fix:   {self.fix}"


class ConformanceError(AssertionError):
    """An object breaks promises of its protocol. The message lists all of them.

    It is an ``AssertionError``, so that pytest and unittest count it as a failed test.

    Attributes:
        subject: what was checked.
        broken: the broken promises, in the order of the checks.
        kept: the promises that were kept.
    """

    def __init__(self, subject: str, broken: tuple[Broken, ...], kept: tuple[str, ...]) -> None:
        self.subject, self.broken, self.kept = subject, broken, kept
        lines = [f"  {number}. {each}" for number, each in enumerate(broken, 1)]
        head = f"{subject} breaks {counted(len(broken), 'promise')} and keeps {len(kept)}"
        super().__init__("\n".join([f"{head}:", *lines]))


@dataclass(frozen=True)
class Conformance:
    """The promises that a check looked at. ``print`` shows them as a list.

    Attributes:
        subject: what was checked.
        kept: the promises that were checked and are kept.
        skipped: the promises that were not checked, each with the reason.
    """

    subject: str
    kept: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.subject} keeps {counted(len(self.kept), 'promise')}:"]
        lines += [f"  kept     {promise}" for promise in self.kept]
        lines += [f"  skipped  {promise} ({why})" for promise, why in self.skipped]
        return "\n".join(lines)


class _Found(Exception):
    """Raised by :meth:`Inspection.require` inside a promise."""


class Inspection:
    """Collects what the checks of one object find. A broken promise does not stop the next one.

    >>> inspection = Inspection("the number 3")
    >>> with inspection.promise("It is even", fix="Add one."):
    ...     inspection.require(3 % 2 == 0, "3 is odd")
    >>> inspection.broken[0].found
    '3 is odd'
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.kept: list[str] = []
        self.broken: list[Broken] = []
        self.skipped: list[tuple[str, str]] = []

    @contextmanager
    def promise(self, promise: str, *, fix: str) -> Iterator[None]:
        """Check one promise in a ``with`` block. Any exception in the block breaks the promise."""
        try:
            yield
        except _Found as found:
            self.broken.append(Broken(promise, str(found), fix))
        except (Exception, SystemExit) as error:  # errors of the checked object may be of any type
            said = f"{type(error).__name__}: {error}"
            self.broken.append(Broken(promise, said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…", fix))
        else:
            self.kept.append(promise)

    def require(self, holds: object, found: str) -> None:
        """Break the current promise unless the condition holds.

        Args:
            found: what was found instead of the promise.
        """
        if not holds:
            raise _Found(found)

    def require_error(self, kinds: type[Exception] | tuple[type[Exception], ...], found: str) -> _Refusal:
        """A ``with`` block that must raise one of these errors.

        Args:
            found: the text for the report if the block raises no error.
        """
        return _Refusal(kinds if isinstance(kinds, tuple) else (kinds,), found)

    def skip(self, promise: str, why: str) -> None:
        """Note a promise that cannot be checked, with the reason."""
        self.skipped.append((promise, why))

    def conclude(self) -> Conformance:
        """The report on all promises.

        Raises:
            ConformanceError: a promise is broken.
        """
        if self.broken:
            raise ConformanceError(self.subject, tuple(self.broken), tuple(self.kept))
        return Conformance(self.subject, tuple(self.kept), tuple(self.skipped))


class _Refusal:
    def __init__(self, kinds: tuple[type[Exception], ...], found: str) -> None:
        self._kinds, self._found = kinds, found

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if error is None:
            raise _Found(self._found)
        if isinstance(error, self._kinds):
            return True
        wanted = " or ".join(each.__name__ for each in self._kinds)
        raise _Found(f"{type(error).__name__} was raised instead of {wanted}: {error}") from error
