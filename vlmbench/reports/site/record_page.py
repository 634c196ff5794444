"""Collects the content of a record's page: the question, the numbers, the remarks and the worst samples.

``vlmbench show`` calls :func:`record_page`, and :mod:`vlmbench.reports.site.record_html` turns the result into HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.answers.inspected import AnswerLine, Confusion, Inspected
from vlmbench.answers.paired_metric import pairing
from vlmbench.asked import knows_remarks, remarks_of
from vlmbench.cards import TaskCard
from vlmbench.errors import RecordError, UnpairableError, VlmbenchError
from vlmbench.kinds import kind_titles
from vlmbench.records import Record
from vlmbench.remarks.codes import CHOICES, CODES
from vlmbench.reports.scores import interval_text, not_above_chance, value_text
from vlmbench.reports.site.model_page import Answer, Facts, answer_of, environment_facts, weights_text
from vlmbench.reports.site.sample_pictures import Embedded, SamplePictures, saved_picture
from vlmbench.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from vlmbench.data.base import ImageDataset

CLASSES_SHOWN = 200
"""If there are more classes, the page shows only the best and the worst. The record has all of them."""
SAVED_PICTURES = 8
"""The page shows at most this number of pictures that the run saved."""


@dataclass(frozen=True)
class FoundPicture:
    """A sample that the model gave as the answer to a text.

    Attributes:
        text: the text.
        sample: the id of the sample.
        picture: its picture; None if it cannot be shown.
    """

    text: str
    sample: str
    picture: Embedded | None


@dataclass(frozen=True)
class WorstSample:
    """One of the worst samples.

    Attributes:
        id: its id in the data.
        content: the hash of its content in hexadecimal; "" if the record has no such hash.
        reason: what is wrong with the answer, in a few words.
        truth: the right answers, one on each line.
        answer: the model's answers, the best first.
        picture: its picture, with boxes or masks if the task has them; None if it cannot be shown.
        without: why there is no picture; "" if the page gives one reason for all samples.
        found: the samples that the model found for the texts of this sample.
    """

    id: str
    content: str
    reason: str
    truth: Sequence[str]
    answer: Sequence[AnswerLine]
    picture: Embedded | None = None
    without: str = ""
    found: Sequence[FoundPicture] = ()


@dataclass(frozen=True)
class Remarked:
    """One remark of the record.

    Attributes:
        sentence: its text.
        code: its code; "" if the record is older than codes of remarks.
        meaning: what the code means; "" if the sentence says it already, or if vlmbench does not know the code.
        unranked: rankings leave out numbers with this remark.
    """

    sentence: str
    code: str
    meaning: str
    unranked: bool


@dataclass(frozen=True)
class RecordPage:
    """The whole content of a record's page.

    Attributes:
        id: the id of the record.
        sentence: what the model was asked.
        model: the name of the model.
        task: the title of the task.
        description: the description of the task card; "" if it has none.
        answer: the numbers, classes, command and facts, as on the model's page of the leaderboard.
        remarked: every remark.
        confusions: the pairs of classes that are confused most often.
        seconds: the seconds of each stage.
        identity: what the model is, and where its weights come from.
        environment: the programs and the machine that computed the numbers.
        samples: the worst samples, sorted from the worst.
        order: how the worst samples are chosen; "" if there are no samples.
        without_samples: why the page has no samples; "" if it has some.
        without_pictures: why no sample has a picture; "" if some samples have one.
        saved: the pictures that the run saved, with their titles.
    """

    id: str
    sentence: str
    model: str
    task: str
    description: str
    answer: Answer
    remarked: Sequence[Remarked]
    confusions: Sequence[Confusion]
    seconds: Facts
    identity: Facts
    environment: Facts
    samples: Sequence[WorstSample]
    order: str
    without_samples: str
    without_pictures: str
    saved: Sequence[tuple[str, Embedded]]


@dataclass(frozen=True)
class Data:
    """The record's data, opened again.

    Attributes:
        dataset: the dataset; None if it cannot be opened.
        problem: why it cannot be opened; "" if it can be opened.
    """

    dataset: ImageDataset | None = None
    problem: str = ""


def record_page(
    record: Record,
    table: Callable[[], pa.Table],
    folder: Path,
    visuals: Path,
    *,
    card: TaskCard | None,
    cards: Collection[str],
    open_data: Callable[[], Data],
    count: int,
) -> RecordPage:
    """Make the page of a record.

    Args:
        record: the record.
        table: a function that reads its predictions. It may raise RecordError or UnpairableError.
        folder: the folder of the predictions.
        visuals: the folder of the pictures that the run saved. It need not exist.
        card: the task's card; None if this version of vlmbench has no card of this name.
        cards: the names of all model cards that this version knows.
        open_data: a function that opens the record's data. It is called only if there are samples to show.
        count: the largest number of worst samples.
    """
    names = [row.name for row in record.per_class]
    inspected, predictions, problem = _inspected(record, table, names)
    rows = inspected.worst(count) if inspected is not None else []
    data = open_data() if rows else Data()
    samples = _samples(inspected, predictions, rows, data.dataset, names) if inspected and predictions else []
    pictured = any(sample.picture for sample in samples)
    answer = answer_of(record, folder, visuals, cards, classes_shown=CLASSES_SHOWN)
    saved = [(one.title, saved_picture(one.source, one.title)) for one in answer.pictures[:SAVED_PICTURES]]
    title = (card.title if card else None) or record.task.name
    return RecordPage(
        id=record.id,
        sentence=asked_sentence(record, title),
        model=record.model.name,
        task=title,
        description=(card.description if card else None) or "",
        answer=answer,
        remarked=remarked(record),
        confusions=inspected.confusions if inspected else (),
        seconds=_seconds(record.run.seconds),
        identity=_identity(record),
        environment=() if record.imported else environment_facts(record.environment),
        samples=samples,
        order=inspected.order if inspected and samples else "",
        without_samples="" if samples else problem or _nothing_wrong(count),
        without_pictures=data.problem if samples and not pictured else "",
        saved=[(name, picture) for name, picture in saved if picture is not None],
    )


def asked_sentence(record: Record, title: str) -> str:
    """One sentence that says what the model was asked."""
    task, data = record.task, record.task.dataset
    kind = kind_titles().get(task.plugin, task.plugin).lower()
    if record.imported is not None:
        return f"{record.imported.program} tested {record.model.name} on the task “{title}” ({kind})."
    where = Path(data.location).name if Path(data.location).is_absolute() else data.location
    of = f"of {data.source} {where!r}" + (f", split {data.split!r}" if data.split else "")
    classes = f", with {counted(len(record.per_class), 'class', 'classes')}" if record.per_class else ""
    samples = f"{counted(data.samples, 'sample')} {of}{classes}"
    return f"vlmbench tested {record.model.name} on the task “{title}” ({kind}): {samples}."


def remarked(record: Record) -> list[Remarked]:
    """Every remark. Those that keep the numbers out of rankings come first."""
    if not knows_remarks(record):
        old = [Remarked(warning, "", "", unranked=False) for warning in record.warnings]
        said = {one.sentence for one in old}
    else:
        old, said = [], set()
    new = [
        Remarked(remark.sentence, remark.code, _meaning(remark.code), remark.unranked)
        for remark in remarks_of(record)
        if remark.sentence not in said
    ]
    chance = [Remarked(_chance_sentence(record), "", "", unranked=False)] if not_above_chance(record.main) else []
    return sorted([*chance, *new, *old], key=lambda remark: not remark.unranked)


def _chance_sentence(record: Record) -> str:
    """The remark that tables shorten to "not above chance"."""
    main, sign = record.main, "%" if record.main.unit == "fraction" else ""
    return (
        f"{record.main_metric} is not above chance: its 95% interval is {interval_text(main)}{sign}, and chance is "
        f"{value_text(main.chance, main)}{sign}"
    )


def _meaning(code: str) -> str:
    """What a code means; "" if the remark's own sentence says it, as for how the question was asked."""
    known = CODES.get(code)
    return known.meaning.replace("`", "") if known and code not in CHOICES else ""


def _inspected(
    record: Record, table: Callable[[], pa.Table], names: Sequence[str]
) -> tuple[Inspected | None, pa.Table | None, str]:
    """The answers sample by sample, their table, and ""; or None, None, and the reason why they cannot be shown."""
    try:
        predictions = table()
        if not {"sample", "content"} <= set(predictions.column_names):
            return None, None, "The record's predictions do not name their samples."
        if not predictions.num_rows:
            return None, None, "The record has no scored sample."
        found = pairing(record.task.plugin).inspected(predictions, names)
        if found is not None and len(found.badness) != predictions.num_rows:
            return None, None, "The record's predictions do not fit together."
    except (RecordError, UnpairableError) as error:
        return None, None, f"{error.message}."
    except (ValueError, IndexError, KeyError, TypeError, ArithmeticError) as error:  # another program's table
        return None, None, f"The record's predictions cannot be read as answers to this kind of task ({error})."
    if found is None:
        return None, None, "The predictions of this kind of task do not show which samples are the worst."
    return found, predictions, ""


def _nothing_wrong(count: int) -> str:
    if not count:
        return "No samples are shown, because -n 0 was given."
    return "No answer is wrong."


def _samples(
    inspected: Inspected,
    predictions: pa.Table,
    rows: Sequence[int],
    dataset: ImageDataset | None,
    names: Sequence[str],
) -> list[WorstSample]:
    ids = {row: str(predictions["sample"][row].as_py()) for row in rows}
    contents = {row: str(predictions["content"][row].as_py()) for row in rows}
    found = {row: tuple(inspected.found(row)) if inspected.found else () for row in rows}
    others = _contents_of(predictions, {one.sample for each in found.values() for one in each})
    pictures = SamplePictures(dataset, [*ids.values(), *others], names) if dataset is not None else None
    samples = []
    for row in rows:
        boxes = inspected.boxes(row) if inspected.boxes else None
        picture = pictures.picture(ids[row], contents[row], boxes) if pictures else ""
        samples.append(
            WorstSample(
                id=ids[row],
                content=contents[row],
                reason=inspected.reason(row),
                truth=inspected.truth(row),
                answer=inspected.answer(row),
                picture=picture if isinstance(picture, Embedded) else None,
                without=picture if isinstance(picture, str) else "",
                found=[FoundPicture(one.text, one.sample, _other(pictures, one.sample, others)) for one in found[row]],
            )
        )
    return samples


def _other(pictures: SamplePictures | None, sample: str, contents: Mapping[str, str]) -> Embedded | None:
    if pictures is None or sample not in contents:
        return None
    picture = pictures.picture(sample, contents[sample])
    return picture if isinstance(picture, Embedded) else None


def _contents_of(predictions: pa.Table, samples: Collection[str]) -> dict[str, str]:
    if not samples:
        return {}
    names, contents = predictions["sample"].to_pylist(), predictions["content"].to_pylist()
    return {name: content for name, content in zip(names, contents, strict=True) if name in samples}


def _identity(record: Record) -> Facts:
    model = record.model
    facts = [
        ("name", model.name),
        ("loaded by", f"{model.adapter}: {model.spec}" if model.adapter else ""),
        ("options", ", ".join(f"{name}={value}" for name, value in model.options.items())),
        ("revision", model.revision or ""),
        ("weights", weights_text(record) if model.weights_sha256 else ""),
        ("architecture", model.architecture),
        ("preprocessing", model.preprocess),
        ("tokenizer", model.tokenizer),
        ("libraries", ", ".join(f"{name} {version}" for name, version in sorted(model.libraries.items()))),
        ("capabilities", ", ".join(model.capabilities)),
    ]
    return tuple(fact for fact in facts if fact[1])


def _seconds(seconds: Mapping[str, float]) -> Facts:
    """The seconds in all, then the seconds of each stage, sorted from the longest."""
    stages = sorted(seconds.items(), key=lambda stage: (stage[0] != "total", -stage[1]))
    return tuple((name.replace("_", " "), f"{value:,.3f} s") for name, value in stages if value)


def data_problem(error: VlmbenchError) -> str:
    """A text that says why the data cannot be opened, and what to do."""
    hint = f" {error.hint}" if error.hint else ""
    return f"The pictures are not shown, because the data cannot be opened: {error.message}.{hint}"
