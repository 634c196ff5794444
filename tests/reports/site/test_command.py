"""The command that asks again, as a shell and the command line's own parser read it."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.cli.adapting.given import parse_settings
from vlmbench.records import BadSample, Record
from vlmbench.reports.site.command import ONE_LINE, command
from vlmbench.testing.toy_records import make_record


def words(record: Record, cards: tuple[str, ...] = ("m",)) -> list[str]:
    return shlex.split(command(record, cards).text.replace(" \\\n", " "))


def from_hub(model: str = "m", task: str = "t", **run: Any) -> Record:
    """A record whose data needs no folder."""
    record = make_record(model, task, **run)
    data = record.task.dataset.model_copy(update={"source": "hub"})
    return record.model_copy(update={"task": record.task.model_copy(update={"dataset": data})})


def test_a_plain_run_is_a_plain_command() -> None:
    assert words(from_hub()) == ["vlmbench", "run", "-m", "m", "-t", "t"]


def test_what_changes_a_number_is_in_it() -> None:
    record = from_hub(limit=100, seed=3, precision="bf16", settings={"readout": "sclip", "background": ["sky", "wall"]})
    record = record.model_copy(update={"bad_samples": [BadSample(id="1", reason="broken")]})
    found = words(record)
    assert found[6:10] == ["--set", "readout=sclip", "--set", "background=[sky, wall]"]
    assert found[10:] == ["--limit", "100", "--seed", "3", "--precision", "bf16", "--skip-bad"]


def test_data_on_disk_needs_its_folder_and_says_so() -> None:
    made = command(make_record(), ["m"])
    assert shlex.split(made.text)[-2:] == ["--data-root", "DATA"]
    assert "Replace DATA by the folder" in made.needs[0]
    assert "--data-root" not in command(make_record(task="imagefolder:/data/x"), ["m"]).text


def test_the_users_own_words_are_files_whose_content_is_named() -> None:
    record = from_hub()
    asked = record.task.model_copy(update={"protocol": {"templates_from": "option", "class_names_from": "option"}})
    made = command(record.model_copy(update={"task": asked}), ["m"])
    assert shlex.split(made.text)[6:] == ["--classnames", "class_names.txt", "--templates", "templates.txt"]
    assert len(made.needs) == 2


@pytest.mark.parametrize("name", ["$(rm -rf /)", "a'b", 'a"b', "; reboot", "`id`", "-rf", "two words", "\n"])
def test_a_shell_reads_a_name_as_one_word_whatever_it_holds(name: str) -> None:
    for padding in ("", "x" * ONE_LINE):  # on one line, and on several
        long = name + padding
        text = command(from_hub(long, long), (long,)).text
        done = subprocess.run(["sh", "-c", f'set -- {text}; printf "%s\\0" "$@"'], capture_output=True, check=True)
        assert done.stdout.decode().split("\0")[:-1] == ["vlmbench", "run", "-m", long, "-t", long]


def test_a_model_without_a_known_card_is_named_by_what_loads_it() -> None:
    made = command(from_hub(), [])
    assert shlex.split(made.text)[3] == "toy:"
    assert "Its own card is not known here" in made.needs[0]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(values)
def test_a_setting_is_read_back_as_it_was(value: Any) -> None:
    found = words(from_hub(settings={"key": value}))
    assert parse_settings([found[found.index("--set") + 1]], None) == {"key": value}
