"""Makes the content of a model's page: every answer with intervals, classes, calibration, pictures and command.

The leaderboard has such a page for each model. ``vlmbench show`` shows the answer of one record in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.asked import knows_remarks
from vlmbench.cards import ModelCard
from vlmbench.paths import safe_name
from vlmbench.records import ClassResult, Environment, Failure, MetricValue, Record
from vlmbench.remarks.codes import CHOICES
from vlmbench.reports.published import Published
from vlmbench.reports.scores import lacking, remarks_on
from vlmbench.reports.site.calibration import Reliability, reliability
from vlmbench.reports.site.collect import Collected, deviation
from vlmbench.reports.site.command import Command, command
from vlmbench.reports.site.headings import ModelHeading
from vlmbench.reports.site.names import anchor
from vlmbench.reports.site.pictures import Picture, pictures
from vlmbench.store import ResultStore
from vlmbench.wording import speed_text

CLASSES_SHOWN = 20
"""With more classes, a page shows only the best and the worst; a CSV file has all."""
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Metric:
    """One metric of one answer.

    Attributes:
        name: the metric's.
        value: with its interval, unit and chance.
        lacking: why it has no value or no interval; "" if it has both.
    """

    name: str
    value: MetricValue
    lacking: str


@dataclass(frozen=True)
class ClassTable:
    """An answer's classes.

    Attributes:
        measures: the names of the values of each class; the first has an interval.
        rows: the classes that the page shows, the best first.
        left_out: the number of classes between the best and the worst that are not shown.
        file: the CSV file of all classes in the site.
        all: every class in label order, for that file.
    """

    measures: tuple[str, ...]
    rows: tuple[ClassResult, ...]
    left_out: int
    file: str
    all: tuple[ClassResult, ...]


@dataclass(frozen=True)
class Answer:
    """One record on its model's page.

    Attributes:
        anchor: the section's id.
        task: the task's name.
        kind: its plugin.
        main: the metric that tables show.
        metrics: all of them, the main one first.
        remarks: the remarks, in a few words.
        differs: why it is not compared with others; "" if it is.
        happened: the code and the sentence of each remark about the run; the code is "" for an old record.
        command: the command that asks the question again; None if another program asked it.
        imported: the program and the file of an imported record; "" if it was measured here.
        data: facts about the dataset.
        protocol: facts about the question.
        run: facts about the run.
        environment: the index of one of the page's environments; None if it is not known.
        classes: None for tasks that have none.
        curve: None for tasks without confidences.
        pictures: the pictures that were saved.
        bad: the samples that were left out, with the reason.
    """

    anchor: str
    task: str
    kind: str
    main: Metric
    metrics: tuple[Metric, ...]
    remarks: str
    differs: str
    happened: tuple[tuple[str, str], ...]
    command: Command | None
    imported: str
    data: Facts
    protocol: Facts
    run: Facts
    environment: int | None
    classes: ClassTable | None
    curve: Reliability | None
    pictures: tuple[Picture, ...]
    bad: Facts


@dataclass(frozen=True)
class ModelPage:
    """All of a model's page.

    Attributes:
        heading: its columns of the leaderboard.
        card: None if it has no card.
        loaded: facts about the loaded weights, one line for each set of weights.
        answers: one for each record, with tasks in the leaderboard's order.
        failures: pairs without an answer.
        published: numbers from papers and model zoos.
        environments: the software that computed the answers, each once.
        notes: records that could not be shown.
    """

    heading: ModelHeading
    card: ModelCard | None
    loaded: Facts
    answers: tuple[Answer, ...]
    failures: tuple[Failure, ...]
    published: tuple[Published, ...]
    environments: tuple[Facts, ...]
    notes: tuple[str, ...]


def model_page(heading: ModelHeading, collected: Collected, store: ResultStore, tasks: Sequence[str]) -> ModelPage:
    """Read a model's records completely, with their pictures and predictions, in the order of these tasks."""
    name = heading.name
    answers: list[Answer] = []
    failures: list[Failure] = []
    environments: list[Facts] = []
    notes: list[str] = []
    loaded: dict[str, str] = {}
    for task in tasks:
        pair = collected.pairs.get((name, task))
        if pair is None:
            continue
        saved_as = pair.records[0].model.saved_as if pair.records else name
        full = {record.id: record for record in store.pair_records(saved_as, task)}
        for summary in pair.records:
            record = full.get(summary.id)
            if record is None:
                notes.append(f"{task}: the record {summary.id} is not in its own folder, so its details are not shown")
                continue
            # As in tables: with the name of its row, and the remarks that reading the folder added.
            record = record.model_copy(update={"model": summary.model, "remarks": summary.remarks})
            where = None if record.imported else environment_facts(record.environment)
            if where is not None and where not in environments:
                environments.append(where)
            if record.model.weights_sha256 and record.model.answers is None:
                loaded.setdefault(record.model.weights_sha256, weights_text(record))
            ids = {answer.anchor for answer in answers}
            place = None if where is None else environments.index(where)
            beside = store.folder(record.model.saved_as, record.task.name)
            answers.append(answer_of(record, beside, store.visuals(record), collected.models, place, ids))
        if pair.failure:
            failures.append(pair.failure)
    return ModelPage(
        heading=heading,
        card=collected.models.get(name),
        loaded=tuple((f"weights {sha[:12]}", what) for sha, what in loaded.items()),
        answers=tuple(answers),
        failures=tuple(failures),
        published=tuple(number for number in collected.published if number.model == name),
        environments=tuple(environments),
        notes=tuple(notes),
    )


def answer_of(
    record: Record,
    folder: Path,
    visuals: Path,
    cards: Collection[str],
    environment: int | None = None,
    taken: Collection[str] = (),
    *,
    classes_shown: int = CLASSES_SHOWN,
) -> Answer:
    """All that a page shows of one record.

    Args:
        folder: that of its predictions.
        visuals: that of its pictures; it need not exist.
        cards: names of the model cards that are known here, for the command.
        environment: its number on the page.
        taken: anchors that other answers of the page have.
        classes_shown: of more classes than this, the best and the worst are shown.
    """
    first = anchor(record.task.name)
    names = [record.main_metric, *(name for name in record.metrics if name != record.main_metric)]
    metrics = tuple(Metric(name, record.metrics[name], lacking(record.metrics[name])) for name in names)
    own = Path(record.id).name == record.id  # no run writes an id with a path in it
    return Answer(
        anchor=first if first not in taken else f"{first}-{record.id}",
        task=record.task.name,
        kind=record.task.plugin,
        main=metrics[0],
        metrics=metrics,
        remarks=remarks_on(record, record.main_metric),
        differs=deviation(record),
        happened=_happened(record),
        command=None if record.imported else command(record, cards),
        imported=f"{record.imported.program}: {record.imported.file}" if record.imported else "",
        data=_data(record),
        protocol=tuple((name.replace("_", " "), _plain(value)) for name, value in record.task.protocol.items()),
        run=() if record.imported else _run(record),
        environment=environment,
        classes=_classes(record, classes_shown) if record.per_class else None,
        curve=reliability(record, folder),
        pictures=tuple(pictures(visuals, record.id)) if own else (),
        bad=tuple((sample.id, sample.reason) for sample in record.bad_samples),
    )


def _classes(record: Record, most: int) -> ClassTable:
    every = tuple(record.per_class)
    measures = tuple(dict.fromkeys(name for row in every for name in row.values))
    first = measures[0] if measures else ""
    known = [row for row in every if row.values.get(first) is not None]
    unknown = [row for row in every if row.values.get(first) is None]
    known.sort(key=lambda row: row.values[first] or 0.0, reverse=True)
    half = most // 2
    shown = (*known[:half], *known[-half:]) if len(known) > most else (*known, *unknown)[:most]
    return ClassTable(measures, shown, len(every) - len(shown), f"classes/{safe_name(record.id)}.csv", every)


def _data(record: Record) -> Facts:
    data = record.task.dataset
    place = data.location if not Path(data.location).is_absolute() else Path(data.location).name
    answers = record.model.answers
    facts = [
        ("answers", "" if answers is None else f"{answers.file} ({answers.sha256[:12]})"),
        ("source", f"{data.source}: {place}" if place else data.source),
        ("split", data.split or ""),
        ("revision", data.revision or ""),
        ("samples scored", f"{data.samples:,}"),
        ("samples of the standard split", "" if data.standard_samples is None else f"{data.standard_samples:,}"),
        ("images", data.images or ""),
        ("fingerprint of data", data.fingerprint),
        ("fingerprint of prompts", record.task.prompts_sha256),
        ("version of the task", record.task.version),
    ]
    return tuple(fact for fact in facts if fact[1])


def _run(record: Record) -> Facts:
    run = record.run
    facts = [
        ("record", record.id),
        ("started", run.started),
        ("device", run.device),
        ("processor", run.processor or ""),
        ("machine", run.machine or ""),
        ("precision", run.precision),
        ("batch size", str(run.batch_size)),
        ("seed", str(run.seed)),
        ("seconds", f"{run.seconds.get('total', 0.0):,.1f}"),
        ("images a second", "" if run.images_per_second is None else speed_text(run.images_per_second)),
        ("features from the cache", f"{run.cache.image_hits:,} images, {run.cache.text_hits:,} texts"),
    ]
    return tuple(fact for fact in facts if fact[1])


def environment_facts(environment: Environment) -> Facts:
    """The machine and the packages that computed an answer."""
    return (
        ("vlmbench", environment.vlmbench),
        *((("commit", environment.git),) if environment.git else ()),
        ("python", environment.python),
        ("platform", environment.platform),
        *sorted(environment.packages.items()),
    )


def weights_text(record: Record) -> str:
    """The size and the hash of the weights that were loaded."""
    model = record.model
    space = f", {model.embedding_dim} dimensions" if model.embedding_dim is not None else ""
    return f"{model.parameters:,} parameters{space}; SHA-256 {model.weights_sha256}"


def _plain(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _happened(record: Record) -> tuple[tuple[str, str], ...]:
    if not knows_remarks(record):
        return tuple(("", warning) for warning in record.warnings)
    return tuple((remark.code, remark.sentence) for remark in record.remarks if remark.code not in CHOICES)
