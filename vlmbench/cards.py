"""Defines the schemas of model cards, task cards and suites, and reads their YAML files.

:mod:`vlmbench.card_files` reads every card with it, and :mod:`vlmbench.catalogue` finds cards by name. Every room above
reads cards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vlmbench.errors import CardError
from vlmbench.files import read_text
from vlmbench.kinds import DEFAULT_KIND, known_kind

try:  # the C loader is ten times faster and equally safe; it needs libyaml
    from yaml import CSafeLoader as _Loader
except ImportError:
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]*$"


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
    noun: ClassVar[str] = "card"


NO_ADAPTER = "none"
"""The adapter of a card that cannot be run and is listed for information."""


Capability: TypeAlias = Literal["features", "vectors", "patches", "boxes", "masks", "pixels", "clips"]
CAPABILITIES: Mapping[str, str] = {
    "features": "one feature of an image and of a text in one space: classification, retrieval, detection of given "
    "boxes",
    "vectors": "several vectors of an image or text, compared one by one: classification, retrieval",
    "patches": "a feature of each patch: segmentation, and detection with region_readout: roi-align",
    "boxes": "boxes of its own: detection",
    "masks": "a mask for each of its boxes: mask AP",
    "pixels": "a score for each pixel: segmentation",
    "clips": "the frames of a clip together: classification of clips, rare actions",
}
"""What a model can do, and which tasks need it."""


class ModelCard(_Card):
    """How to load one pretrained VLM, and facts about it (the columns of the survey).

    Attributes:
        name: what the model is called on the command line and in tables.
        adapter: the adapter that loads it; "none" if no adapter can, and ``weights`` then says why.
        spec: what the adapter loads.
        options: other options of the adapter.
        title: a name for people.
        description: what the model is, in a sentence or two.
        method: the card of the survey's method that it is a model of.
        family: the family of models whose code loads it, such as "CLIP" or "siglip2"; None: not stated.
        capabilities: what it can do, by the names in :data:`CAPABILITIES`; empty: not stated.
        verified: whether tests hold its family to the library's own forward pass; None: not stated.
        objective: contrastive, generative, alignment, or several of them (the survey's Table 3).
        framework: two-tower, two-leg or one-tower (the survey's section 3.3).
        architecture: its name in the library that builds it, or in its paper.
        image_encoder: the kind of image encoder.
        text_encoder: the kind of text encoder.
        training_data: what it was trained on.
        data_size: how many image-text pairs it was trained on, as its authors print it ("400M").
        samples_seen: how many pairs passed in training, repeats included.
        image_size: the side of its input, in pixels.
        embedding_dim: the length of its embeddings.
        parameters: the number in both encoders and in the parts that join them.
        gflops: of one image and one text.
        weights: whether the method's own weights are available; None if the card itself describes a set of weights.
        weights_at: where they are available, or what is known about it.
        models: cards to run in its place.
        licence: of the weights.
        paper: its address or title.
        url: where the model is described.
        notes: what else a user must know.
    """

    noun = "model card"
    name: str = Field(min_length=1)
    adapter: str
    spec: str = ""
    options: dict[str, Any] = {}
    title: str | None = None
    description: str = ""
    method: str | None = None
    family: str | None = None
    capabilities: list[Capability] = []
    verified: bool | None = None
    objective: str | None = None
    framework: str | None = None
    architecture: str | None = None
    image_encoder: str | None = None
    text_encoder: str | None = None
    training_data: str | None = None
    data_size: str | None = None
    samples_seen: str | None = None
    image_size: int | None = Field(default=None, ge=1)
    embedding_dim: int | None = Field(default=None, ge=1)
    parameters: int | None = Field(default=None, ge=1)
    gflops: float | None = Field(default=None, gt=0)
    weights: Literal["public", "reproduction", "not public", "unknown"] | None = None
    weights_at: str | None = None
    models: list[str] = []
    licence: str | None = None
    paper: str | None = None
    url: str | None = None
    notes: str = ""

    @property
    def runnable(self) -> bool:
        """Whether the model can be loaded."""
        return self.adapter != NO_ADAPTER

    @model_validator(mode="after")
    def _says_why_it_cannot_run(self) -> ModelCard:
        if not self.runnable and self.weights is None:
            raise ValueError("a card without an adapter must say in `weights` whether its weights are public")
        return self


class SourceSpec(_Card):
    """One place where a task's samples may be found.

    Attributes:
        kind: a registered source ("imagefolder", "torchvision", "frames", "captions", "wds", "hub", …).
        location: a path (relative ones are looked up under ``--data-root``), a class of torchvision, a hub repository
            or a set's name.
        other_locations: for folders and lists of files, other common names of the same layout.
        split: the split to read, if the layout has splits.
        revision: the commit of a hub repository.
        folders: for folders of images or clips, the names of the class folders in label order, if they differ from the
            class names.
        options: other options of the source.
    """

    kind: str
    location: str
    other_locations: list[str] = []
    split: str | None = None
    revision: str | None = None
    folders: list[str] | None = None
    options: dict[str, Any] = {}


Role = Literal["test", "train", "val"]
"""What a dataset is used for: scoring (test), adapting a model (train), or making choices (val)."""
ROLES: tuple[Role, ...] = get_args(Role)


class TaskCard(_Card):
    """Dataset, prompts, protocol and metrics: one benchmark entry."""

    noun = "task card"
    name: str = Field(min_length=1)
    """What the task is called on the command line and in tables."""
    plugin: str = DEFAULT_KIND
    """The kind of task: classification, retrieval, segmentation, detection or rare_actions."""
    version: int = Field(default=1, ge=1)
    """Raised whenever the card's numbers stop being comparable with older ones."""
    title: str | None = None
    """A name for people."""
    description: str = ""
    """What the task asks, in a sentence or two."""
    sources: list[SourceSpec] = Field(min_length=1)
    """The sources of the test role, in the order in which they are tried."""
    train: list[SourceSpec] | None = Field(default=None, min_length=1)
    """The sources of samples to adapt a model with; None: the card names none."""
    val: list[SourceSpec] | None = Field(default=None, min_length=1)
    """The sources of samples to make choices on."""
    samples: int | None = Field(default=None, ge=1)
    """The number of samples of the standard split; another number is a remark in the record."""
    classes: list[str] | None = None
    """Class names in label order; None: the class names of the data."""
    templates: list[str] | None = None
    """Prompts with ``{}`` or ``{c}`` for the class name; None: the prompts of the data, else "a photo of a {}."."""
    multi_label: bool = False
    """Whether an image may have several classes. It is then scored by average precision."""
    protocol: dict[str, Any] = {}
    """The choices that the kind of task leaves open. The fields are those of the kind's protocol."""
    metrics: list[str] = Field(min_length=1)
    """The metrics to compute; by default the usual ones of the kind of task."""
    main_metric: str
    """The metric that tables show; by default the first."""
    licence: str | None = None
    """The licence of the data."""
    citation: str | None = None
    """The paper to cite."""
    source_url: str | None = None
    """Where the data comes from."""
    notes: str = ""
    """What a reader of the number must know: the protocol's source, and known faults of the data."""

    @property
    def sources_by_role(self) -> Mapping[Role, list[SourceSpec]]:
        """The sources of each role that the card states, the test role first."""
        stated: dict[Role, list[SourceSpec] | None] = {"test": self.sources, "train": self.train, "val": self.val}
        return {role: sources for role, sources in stated.items() if sources}

    @model_validator(mode="before")
    @classmethod
    def _usual_metrics(cls, data: Any) -> Any:
        """Without metrics in the card, take those of the kind of task; the main metric is the first one."""
        if not isinstance(data, dict):
            return data
        kind = known_kind(str(data.get("plugin", DEFAULT_KIND)))
        metrics = data.get("metrics", list(kind.metrics) if kind else None)
        if metrics and isinstance(metrics, list):
            return {**data, "metrics": metrics, "main_metric": data.get("main_metric", metrics[0])}
        return data

    @field_validator("classes", "templates", mode="before")
    @classmethod
    def _texts_are_quoted(cls, listed: Any) -> Any:
        """YAML does not read ``no``, ``on``, ``3`` and an empty entry as text."""
        for number, entry in enumerate(listed if isinstance(listed, list) else (), 1):
            if not isinstance(entry, str):
                was = "empty" if entry is None else f"the {type(entry).__name__} {entry!r}"
                raise ValueError(f"entry {number} is {was}, not text: put it in quotes")
        return listed

    @field_validator("templates")
    @classmethod
    def _templates_have_a_place(cls, templates: list[str] | None) -> list[str] | None:
        check_templates(templates)
        return templates

    @model_validator(mode="after")
    def _main_metric_is_computed(self) -> TaskCard:
        if self.main_metric not in self.metrics:
            raise ValueError(f"main_metric {self.main_metric!r} is not among metrics {self.metrics}")
        return self


def make_task(name: str, plugin: str, source: SourceSpec) -> TaskCard:
    """A card for data without a card: with the metrics and prompts of its kind of task."""
    return TaskCard.model_validate({"name": name, "plugin": plugin, "sources": [source]})


class SuiteSample(_Card):
    """The subset of each task that a suite asks.

    Attributes:
        size: samples of each task; a smaller task is scored whole.
        by: "class" for a stratified subset, if each sample has one class; None: at random.
    """

    size: int = Field(ge=1)
    by: Literal["class"] | None = None


class Suite(_Card):
    """A named list of task cards."""

    noun = "suite"
    name: str = Field(pattern=NAME_PATTERN)
    title: str | None = None
    description: str = ""
    tasks: list[str] = Field(min_length=1)
    sample: SuiteSample | None = None
    """A seeded subset instead of all samples. The user's own --limit replaces it."""


def check_templates(templates: list[str] | None) -> None:
    """Refuse prompt templates without a place for the class name.

    Raises:
        ValueError: one template has neither ``{}`` nor ``{c}``, or the list is empty.
    """
    if templates is None:
        return
    if not templates:
        raise ValueError("the list of templates is empty")
    for template in templates:
        if "{}" not in template and "{c}" not in template:
            raise ValueError(f"template {template!r} has no place for the class name: write {{}} or {{c}}")


_PLACE = re.compile(r"\{c?\}")


def fill_template(template: str, class_name: str) -> str:
    """The prompt of one class. The place is replaced once; other braces, and braces in the name, stay."""
    return _PLACE.sub(lambda _: class_name, template)


C = TypeVar("C", bound=_Card)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file, loaded safely.

    Raises:
        CardError: the file cannot be read or is not YAML.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CardError(f"{path}: cannot be read: {reason}") from error
    try:
        return parse_yaml(text)
    except RepeatedKeyError as error:
        raise CardError(
            f"{path}:{error.line}: {error.key!r} is there twice, first in line {error.first}", hint="Keep one of them."
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: an impossible date
        raise CardError(f"{path}: not valid YAML: {error}") from error


class RepeatedKeyError(yaml.YAMLError):
    """A key that is twice in one mapping. Lines are counted from 1."""

    def __init__(self, key: object, first: int, line: int) -> None:
        super().__init__(f"{key!r} is there twice, in lines {first} and {line}")
        self.key, self.first, self.line = key, first, line


_OF_MERGES = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")
"""Keys that are YAML syntax (``<<`` and ``=``)."""


class _UniqueKeys(_Loader):
    """A safe loader that refuses repeated keys. YAML forbids them; PyYAML silently keeps the last one."""

    def flatten_mapping(self, node: Any) -> None:
        """PyYAML calls it first for every mapping, and again for a mapping that is merged into another (``<<``)."""
        if not getattr(node, "keys_are_unique", False):
            self._refuse_repeated(node)
            node.keys_are_unique = True  # before merged keys are added: a mapping may replace those
        super().flatten_mapping(node)

    def _refuse_repeated(self, node: Any) -> None:
        lines: dict[object, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                value = key.value if key.tag in _OF_MERGES else self.construct_object(key)
                line = key.start_mark.line + 1
                if value in lines:
                    raise RepeatedKeyError(value, lines[value], line)
                lines[value] = line


def parse_yaml(text: str) -> Any:
    """The content of a YAML text, loaded safely.

    Raises:
        RepeatedKeyError: a mapping at any depth has a key twice.
        yaml.YAMLError, ValueError, RecursionError: the text is not YAML.
    """
    return yaml.load(text, Loader=_UniqueKeys)  # a safe loader, C or Python


def parse_card(schema: type[C], data: Any, *, where: str) -> C:
    """A card from plain data.

    Raises:
        CardError: the data does not fit the schema. The message lists every problem.
    """
    if not isinstance(data, dict):
        raise CardError(f"{where}: a {schema.noun} is a mapping of fields, not {type(data).__name__}")
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        misfits = [f"  {'.'.join(map(str, problem['loc'])) or 'card'}: {problem['msg']}" for problem in error.errors()]
        raise CardError(
            f"{where}: not a valid {schema.noun}:\n" + "\n".join(misfits),
            hint=f"Fields of a {schema.noun}: {', '.join(schema.model_fields)}.",
        ) from error
