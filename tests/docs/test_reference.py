"""What the site makes from the code is complete: commands, public names, and every field of records and cards."""

from __future__ import annotations

import re
from pathlib import Path

import cli_reference
import pytest
import python_reference
import schemas
import typer
from architecture_picture import PICTURE, picture
from repository import REPOSITORY

import vlmbench
from vlmbench import records
from vlmbench.cards import ModelCard, SourceSpec, TaskCard
from vlmbench.cli.main import app
from vlmbench.tasks.detection.protocol import DetectionProtocol
from vlmbench.tasks.segmentation.protocol import SegmentationProtocol

DOCS = REPOSITORY / "docs"


def test_every_command_and_option_is_there() -> None:
    text = cli_reference.markdown()
    root = typer.main.get_command(app)
    commands = list(cli_reference.commands(root, "vlmbench"))
    assert {"vlmbench run", "vlmbench baseline save", "vlmbench compare"} <= {path for path, _ in commands}
    for path, command in commands:
        section = re.split(r"^#+ ", text.split(f"# {path}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        assert all(f"`{option}`" in section for option in options if option != "--help"), path


def test_defaults_kinds_and_late_help_are_shown() -> None:
    text = cli_reference.markdown()
    assert re.search(r"^`--results` \*PATH\*\n: \w.+ Default: `results/runs`\.$", text, re.MULTILINE)
    assert "`--workers` *INTEGER from 1*\n" in text
    assert re.search(r"`--workers` .*\n: .* Default: one [a-z ]+\.$", text, re.MULTILINE)
    assert "- ranking: " in text


def test_text_that_means_something_to_markdown_is_escaped() -> None:
    assert cli_reference.escaped("objective=Con* in `a*b` {}") == r"objective=Con\* in `a*b` \{\}"


@pytest.mark.parametrize("part", [part for _, _, part in schemas.PARTS] + [ModelCard, TaskCard, SourceSpec])
def test_every_field_has_a_meaning(part: type) -> None:
    known = schemas.meanings(part)
    missing = [name for _, _, name in schemas.fields(part) if len(known.get(name, "")) < 5]
    assert not missing, f"{part.__module__}.{part.__name__}: add a docstring below {', '.join(missing)}"


@pytest.mark.parametrize("protocol", [DetectionProtocol, SegmentationProtocol])
def test_every_field_of_a_protocol_has_a_meaning(protocol: type) -> None:
    assert all(f"`{name}` *" in schemas.entries(protocol) for name, _, _ in schemas.fields(protocol))


def test_every_part_of_a_record_has_a_section() -> None:
    shown = {part.__name__ for _, _, part in schemas.PARTS}
    kinds = " ".join(kind for _, _, part in schemas.PARTS for _, kind, _ in schemas.fields(part))
    assert {name for name in re.findall(r"\b[A-Z]\w+", kinds) if hasattr(records, name)} <= shown | {"Any"}


def test_every_public_name_has_an_entry() -> None:
    text = python_reference.markdown()
    assert all(f":: vlmbench.{name}" in text for name in vlmbench.__all__ if name != "__version__")


def test_a_module_knows_what_it_imports_for_types_alone() -> None:
    assert python_reference.names("vlmbench", "TYPE_CHECKING")
    assert python_reference.names("vlmbench.frames.results", "pd.DataFrame")
    assert not python_reference.names("vlmbench", "NoSuchType")


@pytest.mark.parametrize(
    "name, there",
    [
        ("vlmbench.records.Record", True),
        ("vlmbench.records.RunInfo.seconds", True),
        ("torch.Tensor", True),
        ("vlmbench.records.Recrod", False),
        ("no_such_module.thing", False),
    ],
)
def test_a_name_that_does_not_exist_is_told_from_one_that_does(name: str, there: bool) -> None:
    assert python_reference.exists(name) is there


def test_every_page_is_listed_once() -> None:
    pages = [path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")]
    wanted = {page for page in pages if not page.startswith(("demo_clip/", "_")) and page != "index"}
    trees = re.findall(r"```\{toctree\}\n(.*?)```", "\n".join(map(Path.read_text, DOCS.rglob("*.md"))), re.DOTALL)
    listed = [line.strip() for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    named = [re.sub(r"^.*<(.+)>$", r"\1", entry) for entry in listed]
    assert len(named) == len(set(named))
    assert wanted <= {page for page in wanted if any(page == name or page.endswith(f"/{name}") for name in named)}


def test_the_picture_is_the_drawn_one() -> None:
    assert PICTURE.read_text("utf-8") == picture(), "python docs/architecture_picture.py"
