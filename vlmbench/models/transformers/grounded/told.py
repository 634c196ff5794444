"""Makes the remarks about labels that detectors share. The detectors of this folder use it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from vlmbench.remarks.base import say
from vlmbench.remarks.codes import SPLIT_LABELS, TEMPLATE_IN_LABELS
from vlmbench.wording import counted, either


def tell_of_template(labels: Sequence[str]) -> None:
    """Make a remark on labels that all begin with the same words, for models whose authors use bare class names."""
    split = [label.split() for label in dict.fromkeys(labels)]
    if len(split) < 2:
        return
    shared = [words[0] for words in takewhile(lambda words: len(set(words)) == 1, zip(*split, strict=False))]
    if shared:
        say(
            TEMPLATE_IN_LABELS,
            f"all labels begin with {' '.join(shared)!r}; the model's authors use bare class names, so if this is from "
            "a template, give a file with the line {} to --templates",
            brief="template in labels",
        )


def tell_of_split(labels: Sequence[str]) -> None:
    """Make a remark on labels that the network reads as several phrases."""
    if count := len(labels):
        say(
            SPLIT_LABELS,
            f"{counted(count, 'label')} {either(count, 'has', 'have')} a full stop or a question mark inside, where "
            "the model splits phrases, so the parts do not see each other",
            brief=counted(count, "split label"),
            count=count,
            examples=labels,
        )
