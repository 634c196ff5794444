"""Writes true captions of scenes in varied words, and tests exactly whether a caption is true of a scene.

A caption keeps the claims that its words make. So training can leave out false negatives, which are captions of one
image that are also true of another. Tests check every sentence against its scene. ``demo/sets.py`` and the demo's
training (``docs/demo_clip``) use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from vlmbench.demo.spec import SceneSpec, ShapeSpec

LARGE_RADIUS = 0.30
SMALL_RADIUS = 0.17
_NUMBER_WORDS = {2: "two", 3: "three", 4: "four"}
_OUTER, _INNER = 0.40, 0.10
"""Place words by an object's centre: "left" or "top" below 0.40, "right" or "bottom" above 0.60, and "center" if it is
less than 0.10 from the middle."""

TEMPLATES: tuple[str, ...] = (
    "{}",
    "{}",
    "a photo of {}",
    "a picture of {}",
    "an image of {}",
    "a drawing of {}",
    "a rendering of {}",
    "an image with {}",
    "a photo containing {}",
    "there is {} in the picture",
    "a blurry photo of {}",
    "a close-up photo of {}",
    "this is {}",
)
PLURAL_TEMPLATES: tuple[str, ...] = (
    "{}",
    "{}",
    "a photo of {}",
    "a picture of {}",
    "an image of {}",
    "an image with {}",
    "a photo containing {}",
    "there are {} in the picture",
)
BARE_TEMPLATES: tuple[str, ...] = (
    "{}",
    "a photo of the {}",
    "the {}",
    "a photo of one {}",
    "a picture of the {}",
)


@dataclass(frozen=True)
class Claim:
    """What one phrase says about a scene. A field that is "" or 0 says nothing."""

    shape: str = ""
    colour: str = ""
    texture: str = ""
    size: str = ""
    place: str = ""
    count: int = 0
    """The exact number of objects; 0 means at least one."""

    def holds(self, scene: SceneSpec) -> bool:
        """Whether the claim is true of the scene."""
        matching = sum(self._fits(item) for item in scene.objects)
        return matching == self.count if self.count else matching > 0

    def _fits(self, item: ShapeSpec) -> bool:
        return (
            self.shape in ("", item.shape)
            and self.colour in ("", item.colour)
            and self.texture in ("", item.texture)
            and self.size in ("", size_of(item))
            and (not self.place or self.place in places_of(item))
        )


@dataclass(frozen=True)
class Caption:
    """A sentence and the claims that it makes. All claims must hold."""

    text: str
    claims: tuple[Claim, ...]

    def holds(self, scene: SceneSpec) -> bool:
        """Whether every claim is true of the scene."""
        return all(claim.holds(scene) for claim in self.claims)


def size_of(item: ShapeSpec) -> str:
    """ "large", "small" or "medium". Captions never contain the word "medium"."""
    return "large" if item.radius >= LARGE_RADIUS else "small" if item.radius <= SMALL_RADIUS else "medium"


def places_of(item: ShapeSpec) -> tuple[str, ...]:
    """The place phrases that are true of an object's centre."""
    x, y = item.centre
    across = "left" if x < _OUTER else "right" if x > 1 - _OUTER else ""
    down = "top" if y < _OUTER else "bottom" if y > 1 - _OUTER else ""
    found = []
    if across:
        found.append(f"on the {across}")
    if down:
        found.append(f"at the {down}")
    if across and down:
        found.append(f"in the {down} {across}")
    if abs(x - 0.5) < _INNER and abs(y - 0.5) < _INNER:
        found.append("in the center")
    return tuple(found)


def with_article(words: str) -> str:
    """The words with "a" or "an" in front of them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plural(noun: str) -> str:
    """The plural of a shape word."""
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def caption_scene(scene: SceneSpec, rng: Random, count: int) -> tuple[Caption, ...]:
    """Draw ``count`` true captions of the scene. They are drawn independently, so two may be equal."""
    return tuple(_caption(scene.objects, rng) for _ in range(count))


def _caption(shapes: tuple[ShapeSpec, ...], rng: Random) -> Caption:
    draw = rng.random()
    if len(shapes) > 1 and draw < 0.45:
        one, two = rng.sample(shapes, 2)
        (a, claim_a), (b, claim_b) = _phrase(one, rng), _phrase(two, rng)
        joined = rng.choice(("{} and {}", "{} next to {}", "{} with {}")).format(with_article(a), with_article(b))
        return Caption(rng.choice(TEMPLATES).format(joined), (claim_a, claim_b))
    if len(shapes) > 1 and draw < 0.65:
        counted = _counted(shapes, rng)
        if counted is not None:
            return Caption(rng.choice(PLURAL_TEMPLATES).format(counted[0]), (counted[1],))
    words, claim = _phrase(rng.choice(shapes), rng)
    if rng.random() < 0.3:
        return Caption(rng.choice(BARE_TEMPLATES).format(words), (claim,))
    return Caption(rng.choice(TEMPLATES).format(with_article(words)), (claim,))


def _phrase(item: ShapeSpec, rng: Random) -> tuple[str, Claim]:
    """A noun phrase without an article. Sometimes it is the full description, sometimes only a colour or a shape."""
    draw = rng.random()
    colour = item.colour if draw < 0.8 else ""
    shape = item.shape if draw < 0.7 or draw >= 0.8 else ""
    texture = item.texture if rng.random() < (0.4 if item.texture != "plain" else 0.1) else ""
    size = size_of(item) if rng.random() < 0.15 else ""
    size = "" if size == "medium" else size
    places = places_of(item)
    place = rng.choice(places) if places and rng.random() < 0.2 else ""
    qualities = [word for word in (texture, colour) if word]
    if rng.random() < 0.2:
        qualities.reverse()
    noun = shape or rng.choice(("object", "shape", "thing"))
    words = " ".join(word for word in (size, *qualities, noun, place) if word)
    return words, Claim(shape=shape, colour=colour, texture=texture, size=size, place=place)


def _counted(shapes: Sequence[ShapeSpec], rng: Random) -> tuple[str, Claim] | None:
    """A phrase such as "two green squares", "three stars" or "four objects"; None if the drawn kind occurs once."""
    item = rng.choice(shapes)
    by_shape, by_colour = rng.choice(((True, True), (True, False), (False, True), (False, False)))
    shape, colour = item.shape if by_shape else "", item.colour if by_colour else ""
    number = sum(shape in ("", s.shape) and colour in ("", s.colour) for s in shapes)
    if number < 2:
        return None
    noun = plural(shape or rng.choice(("object", "shape")))
    words = " ".join(word for word in (_NUMBER_WORDS[number], colour, noun) if word)
    return words, Claim(shape=shape, colour=colour, count=number)
