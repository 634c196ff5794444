"""Opens the data of a task and makes its question. Plans, the processes of a run and ``vlmbench show`` use it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, MutableMapping
from dataclasses import dataclass, replace

from vlmbench.asked import other_size
from vlmbench.cards import Role, TaskCard
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.contents import ContentHashes
from vlmbench.data.open import open_dataset
from vlmbench.errors import DataError, MissingDataError, VlmbenchError, unexpected
from vlmbench.remarks.base import Gathered, Remark, gathered_remarks, say
from vlmbench.remarks.codes import VAL_ABSENT, WARNING
from vlmbench.storage.base import Location
from vlmbench.tasks.base import Question, SharedDatasets, TaskOptions, TaskPlugin, needed_roles


@dataclass(frozen=True)
class OpenedTask:
    """One task of a plan with its question, or with the problem that prevents it.

    Attributes:
        options: the user's options, with the sample of the suite that named the task.
        question: None if the data cannot be opened.
        problem: why it cannot be opened.
        remarks: the remarks made while the data was opened and the question made. They go into its records.
    """

    card: TaskCard
    plugin: TaskPlugin
    options: TaskOptions
    question: Question | None
    problem: VlmbenchError | None = None
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class OpenedData:
    """The data of some roles of a task, which the questions of the task share.

    Attributes:
        datasets: the open data, or why it cannot be opened.
        said: the remarks made while it was opened.
    """

    datasets: SharedDatasets | VlmbenchError
    said: Gathered


def open_task(
    card: TaskCard,
    plugin: TaskPlugin,
    options: TaskOptions,
    data_root: Location | None,
    *,
    offline: bool = False,
    objects: Mapping[str, ImageDataset] | None = None,
    shared: MutableMapping[Hashable, OpenedData] | None = None,
    contents: ContentHashes | None = None,
    images_optional: bool = False,
) -> OpenedTask:
    """Open the data of the roles that the question needs, and make the question.

    Args:
        objects: datasets in memory, by the location in their card's source.
        shared: data that is open already, by task and roles. What is opened here is added, so that the questions of
            one task to many methods and draws open it once, also if it cannot be opened.
        contents: content hashes that are known.
        images_optional: whether data is opened without its images if only the files that list them are there.
    """
    context = replace(
        source_context(card, plugin, data_root, offline=offline, own_names=options.class_names, objects=objects),
        images_optional=images_optional,
    )
    with gathered_remarks(WARNING) as said:
        try:
            shared = {} if shared is None else shared
            source, roles = options.transfer.source, needed_roles(plugin, card, options)
            if source is None:
                datasets = _shared(card, roles, context, shared, contents)
            else:
                of_source = source_context(source, plugin, data_root, offline=offline, objects=objects)
                datasets = _with_source(card, context, source, of_source, roles, shared, contents)
            question = plugin.ask(card, datasets, options)
        except Exception as error:  # a bug in a source fails its task, not the run
            return OpenedTask(card, plugin, options, None, unexpected(error), tuple(said.remarks))
    return OpenedTask(card, plugin, options, question, remarks=(*said.remarks, *_of_the_size(question)))


def _shared(
    card: TaskCard,
    roles: tuple[Role, ...],
    context: SourceContext,
    shared: MutableMapping[Hashable, OpenedData],
    contents: ContentHashes | None,
) -> SharedDatasets:
    """The data of these roles, opened once. Each question gets the remarks that were made meanwhile.

    Raises:
        VlmbenchError: it cannot be opened.
    """
    key = card.name, roles
    if key not in shared:
        shared[key] = _open_roles(card, roles, context, contents)
    found = shared[key]
    found.said.say_again()
    if isinstance(found.datasets, VlmbenchError):
        raise found.datasets.with_traceback(None)
    return found.datasets


def _open_roles(
    card: TaskCard, roles: tuple[Role, ...], context: SourceContext, contents: ContentHashes | None
) -> OpenedData:
    with gathered_remarks(WARNING) as said:
        try:
            opened = {role: _open_role(card, role, context) for role in roles}
        except Exception as error:  # a bug in a source too
            return OpenedData(unexpected(error), said)
        there = {role: dataset for role, dataset in opened.items() if dataset is not None}
        if "val" in roles and "val" not in there:
            say(
                VAL_ABSENT,
                f"the val data that the card of {card.name!r} names is in none of its places",
                brief="no val data",
            )
    return OpenedData(SharedDatasets(there, contents), said)


def _with_source(
    card: TaskCard,
    context: SourceContext,
    source: TaskCard,
    of_source: SourceContext,
    roles: tuple[Role, ...],
    shared: MutableMapping[Hashable, OpenedData],
    contents: ContentHashes | None,
) -> SharedDatasets:
    """The test data of a task, and the other data of the task that is learnt from. Both are opened once."""
    other = tuple(role for role in roles if role != "test")
    learnt = _shared(source, other, of_source, shared, contents)
    own = _shared(card, ("test",), context, shared, contents)
    key = card.name, source.name, other
    if key not in shared:
        shared[key] = OpenedData(SharedDatasets({**own, **learnt}, learnt.contents), Gathered())
    found = shared[key].datasets
    assert isinstance(found, SharedDatasets)  # both are open
    return found


def _of_the_size(question: Question) -> list[Remark]:
    """A remark if the data is not the standard split, whether all of it is scored or a subset."""
    there, standard = len(question.dataset.samples), question.card.samples
    return [other_size(question.card.name, standard, there)] if standard not in (None, there) else []


def _open_role(card: TaskCard, role: Role, context: SourceContext) -> ImageDataset | None:
    """The data of one role; None if it is val data that is in none of its places."""
    if role not in card.sources_by_role:
        raise DataError(
            f"task {card.name!r} has no {role} data", hint=f"Name its sources in the card, under `{role}:`."
        )
    try:
        return open_dataset(card.sources_by_role[role], context)
    except MissingDataError:
        if role != "val":
            raise
        return None


def source_context(
    card: TaskCard,
    plugin: TaskPlugin,
    data_root: Location | None,
    *,
    offline: bool = False,
    own_names: tuple[str, ...] | None = None,
    objects: Mapping[str, ImageDataset] | None = None,
) -> SourceContext:
    """The context in which a task's sources are opened: class names of card and user, and the plugin's target."""
    return SourceContext(
        data_root=data_root,
        offline=offline,
        class_names=tuple(card.classes) if card.classes else None,
        target=plugin.target(card),
        own_names=own_names,
        objects=objects or {},
    )
