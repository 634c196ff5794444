"""Lets questions be answered from files that another program wrote, in place of a model.

:mod:`vlmbench.run` calls :func:`unsupported` and :func:`answered` for every model. A kind of task that reads files
implements :class:`TakesAnswers` in its question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, cast, runtime_checkable

from vlmbench.data.base import images_absent
from vlmbench.data.contents import ContentHashes
from vlmbench.errors import ModelError, UnsupportedError
from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import Answers, Model, capability
from vlmbench.paths import safe_name
from vlmbench.records import GivenFile
from vlmbench.registry import did_you_mean
from vlmbench.tasks.base import Outcome, Question
from vlmbench.wording import listed


@dataclass(frozen=True)
class GivenAnswers:
    """The answers of one system to one question, as they lie on the disk.

    Attributes:
        path: the file, or the folder.
        missing: what happens to samples without an answer: the pair fails, or they are left out.
        scores: what scores of classes are; None: the card does not say.
        logit_scale: the factor of the scores before a softmax; None: the card does not say.
        images_absent: whether no image is on this machine.
        hashes: the content hashes of samples that are known.
    """

    path: Path
    missing: Literal["refuse", "left-out"] = "refuse"
    scores: Literal["logits", "probabilities", "similarities"] | None = None
    logit_scale: float | None = None
    images_absent: bool = False
    hashes: ContentHashes = field(default_factory=ContentHashes)


@runtime_checkable
class TakesAnswers(Protocol):
    """Implemented by questions that can be answered from a file, or from a folder of files."""

    answer_suffixes: Sequence[str]
    """The endings of the files that it reads, such as ".csv"; "" for a folder. The first is the one that
    ``--save-answers`` writes."""

    def answer_given(self, engine: FeatureEngine, given: GivenAnswers) -> Outcome:
        """Read the answers, and compute their metrics.

        The content hashes of the outcome come from :func:`vlmbench.tasks.given.contents.given_contents`.

        Args:
            engine: keeps times, and tells progress. Its model has no encoders.

        Raises:
            ModelError: the file cannot be used; the message names it, and the row or sample.
        """


PICKLES = (".pkl", ".pickle", ".pth", ".pt")
"""The endings of files that are refused, because to open them may run code. The message says what to write instead."""


def made_elsewhere(model: Model) -> bool:
    """Whether the answers of this model were made elsewhere."""
    return capability(model, Answers) is not None


def unsupported(question: Question, model: Model) -> str | None:
    """Why a model cannot answer a question, and what would change that; None if it can.

    Raises:
        ModelError: there are two files of answers to the task.
    """
    answers = capability(model, Answers)
    if answers is None:
        return question.unsupported(model)
    if not isinstance(question, TakesAnswers):
        return "answers made elsewhere cannot be read for this question" + _why_not(question)
    if answers.path(question.card.name, question.answer_suffixes) is not None:
        return None
    return _no_file(answers, question.card.name, question.answer_suffixes)


def answered(question: Question, engine: FeatureEngine, hashes: ContentHashes) -> Outcome:
    """The answer of the engine's model, or of the system whose answers are on the disk.

    Raises:
        ModelError: the file cannot be used, or it changed while it was read.
    """
    answers = capability(engine.model, Answers)
    path = given_path(question, engine.model)
    if answers is None or path is None or not isinstance(question, TakesAnswers):
        return question.answer(engine)
    before, options = answers.sha256(path), engine.model.card.options
    absent = images_absent(question.dataset, question.indices)
    outcome = question.answer_given(
        engine,
        GivenAnswers(
            path,
            missing=options.get("missing", "refuse"),
            scores=options.get("scores"),
            logit_scale=options.get("logit_scale"),
            images_absent=absent,
            hashes=hashes,
        ),
    )
    if answers.sha256(path) != before:
        raise ModelError(f"{path}: it changed while it was read", hint="Run the pair again.")
    return replace(outcome, images_absent=absent)


def given_path(question: Question, model: Model) -> Path | None:
    """The file or folder of a system's answers to a question; None for any other model.

    Raises:
        UnsupportedError: there is no such file.
    """
    answers = capability(model, Answers)
    if answers is None:
        return None
    if reason := unsupported(question, model):
        raise UnsupportedError(f"{model.card.name}: {reason}")
    return answers.path(question.card.name, cast(TakesAnswers, question).answer_suffixes)


def given_sha256(question: Question, model: Model) -> str | None:
    """The hash of a system's answers to a question; None for any other model."""
    file = given_file(question, model)
    return None if file is None else file.sha256


def given_file(question: Question, model: Model) -> GivenFile | None:
    """The file of a system's answers to a question, for its record; None for any other model."""
    answers, path = capability(model, Answers), given_path(question, model)
    return None if answers is None or path is None else GivenFile(file=path.name, sha256=answers.sha256(path))


def _no_file(answers: Answers, task: str, suffixes: Sequence[str]) -> str:
    name, names = safe_name(task), list(answers.names())
    wanted = [f"{name}{suffix}" if suffix else f"a folder {name}" for suffix in suffixes if suffix not in PICKLES]
    there = [other for other in names if other.startswith(f"{name}.") or other == name]
    if there:
        found = f"; {listed(there)} cannot be read for this kind of task"
    else:
        near = did_you_mean(f"{name}{suffixes[0]}", names)
        found = f". {near.rstrip('.')}" if near else ""
    return f"there are no answers to it in {str(answers.folder)!r}: it needs {listed(wanted, 'or')}{found}"


def _why_not(question: Question) -> str:
    transfer = getattr(question, "asked", None)
    return ": methods of transfer adapt a model, and answers have none. Leave out --transfer" if transfer else ""
