"""Where the one file lies that says what a folder's images show: boxes, captions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.formats.folder_walk import is_junk_file, subfolders
from vlmbench.data.labels import listing
from vlmbench.data.location import argument, existing_places, missing
from vlmbench.errors import DataError

_MOST_WAYS = 4
PROBED = 5
"""How many of the first images are looked for where images may be."""


@dataclass(frozen=True)
class UsualNames:
    """The usual names of a folder's annotations, for a card that names no file. If several files match, it is an error.

    Attributes:
        patterns: of the files, relative to the folder.
        called: what they are, for messages, such as ``the captions``.
        none: that there is no such file, in a half-sentence.
        otherwise: patterns that count only if no file matches the others.
    """

    patterns: tuple[str, ...]
    called: str
    none: str
    otherwise: tuple[str, ...] = ()

    def below(self, root: Path) -> list[Path]:
        """The files of these names in a folder, in any letter case. Hidden ones are none."""
        return _matching(root, self.patterns) or _matching(root, self.otherwise)


def find_annotations(
    spec: SourceSpec, context: SourceContext, usual: UsualNames, *, beside: Sequence[str] = ()
) -> tuple[str, Path, Path]:
    """The first location with annotations, its folder and the file.

    Args:
        spec: its option ``annotations`` names the file, or a list of which the first that is there counts.
        usual: the names that are tried where the option says none.
        beside: files that the folder must have besides.

    Raises:
        MissingDataError: there is no such folder or file.
        DataError: a folder has no annotations by any usual name, or several, and the card names none.
    """
    names = strings(spec, "annotations")
    for place in existing_places(spec, context):
        if not place.path.is_dir():
            return place.location, place.path.parent, place.path
        there = [place.path / name for name in names if (place.path / name).is_file()]
        if all((place.path / name).is_file() for name in beside) and (there or not names):
            return place.location, place.path, there[0] if there else _guessed(place.path, spec, usual)
    every = [f"{location}/{name}" for location in (spec.location, *spec.other_locations) for name in (*names, *beside)]
    raise missing(spec, context, looked_for=every or None)


def folders_with(images: Sequence[str], places: Iterable[Path]) -> list[Path]:
    """The places where one of the first few images is: one of them may be missing."""
    return [place for place in places if any((place / image).is_file() for image in images[:PROBED])]


def strings(spec: SourceSpec, option: str) -> list[str]:
    """An option that is one string or a list of them; none where it is left out."""
    asked = spec.options.get(option, [])
    return [str(name) for name in (asked if isinstance(asked, list) else [asked])]


def _matching(root: Path, patterns: Sequence[str]) -> list[Path]:
    either = ("".join(f"[{sign.lower()}{sign.upper()}]" if sign.isalpha() else sign for sign in p) for p in patterns)
    found = dict.fromkeys(path for pattern in either for path in sorted(root.glob(pattern)))
    return [path for path in found if not is_junk_file(path.name)]


def _guessed(root: Path, spec: SourceSpec, usual: UsualNames) -> Path:
    found = usual.below(root)
    if len(found) == 1:
        return found[0]
    names = [path.relative_to(root).as_posix() for path in found]
    deeper = [] if found else [root / name for name in subfolders(root) if usual.below(root / name)]
    if deeper:
        raise DataError(
            f"{spec.kind} {spec.location!r}: {root} has {usual.none}, but {listing(path.name for path in deeper)} has",
            hint=f"Name it: {' or '.join(argument(spec.kind, path) for path in deeper[:_MOST_WAYS])}.",
        )
    what = f"several files that may be {usual.called}: {listing(names)}" if found else usual.none
    ways = " or ".join(argument(spec.kind, path) for path in found[:_MOST_WAYS])
    more = " or …" if len(found) > _MOST_WAYS else ""
    raise DataError(
        f"{spec.kind} {spec.location!r}: {root} has {what}",
        hint=f"Name the file itself{f', as {ways}{more}' if ways else ' as the location'}, or as "
        "`options: {annotations: …}` of a card's source.",
    )
