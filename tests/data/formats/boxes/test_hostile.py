"""Label files that somebody put there to harm: pipes, and lists that grow when they are written out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vlmbench.data.formats.boxes.voc_xml import is_voc_xml
from vlmbench.data.formats.boxes.yolo import read_names
from vlmbench.errors import DataError, LabelError


def test_a_pipe_is_no_label_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.xml")
    assert not is_voc_xml(tmp_path / "a.xml")


def _nested(levels: int) -> str:
    """A YAML with a list of ten lists of ten lists …, by aliases."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("names", ["names: [*a29]", "names: {0: *a29}", "names: [cat]\nnc: *a29", "names: *a29"])
def test_names_of_nested_aliases_are_not_written_out(tmp_path: Path, names: str) -> None:
    file = tmp_path / "data.yaml"
    file.write_text(f"{_nested(30)}\n{names}\n")
    try:
        found = read_names(file)
    except (DataError, LabelError) as error:
        assert len(str(error)) < 500
    else:
        assert found is not None and found.names == ("cat",)


def test_names_that_are_numbered_with_holes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("names: {0: cat, 2: dog}\n")
    with pytest.raises(DataError, match="numbered 0 and 2, not 0 to 1"):
        read_names(tmp_path / "data.yaml")
