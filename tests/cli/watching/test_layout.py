"""The lines of the live table in windows of different sizes."""

from __future__ import annotations

import doctest
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from vlmbench.cli.watching import layout
from vlmbench.cli.watching.layout import node_names, shortened, table_lines, totals_line
from vlmbench.cli.watching.time_left import TimeLeft
from vlmbench.cli.watching.workers import Row, Totals
from vlmbench.run.pool.watching import Share

LONG = "convnext_large_d_320.laion2b_s29b_b131k_ft_soup"
TOTALS = Totals(40, 12, 1, 2, 1, 8, 1834.0, 840.0, TimeLeft(4320.0, at_least=True))
WORKING = Row("gpu-1.cluster.org", 0, "cuda:0", "images", "RN50.openai", "imagenet1k", Share(3, 8), 0.456, 915.2, 70.0)


def lines(rows: Sequence[Row], width: int = 120, height: int = 40, totals: Totals = TOTALS) -> list[str]:
    return [line.plain.rstrip() for line in table_lines(rows, totals, width, height)]


def test_the_examples() -> None:
    found = doctest.testmod(layout)
    assert found.attempted >= 2 and not found.failed


def test_one_machine() -> None:
    rows = [
        WORKING,
        Row("gpu-1.cluster.org", 1, "cuda:0", "loading", LONG, "cifar10"),
        Row("gpu-1.cluster.org", 2, "cuda:0", "idle"),
        Row("gpu-1.cluster.org", 3, "", "starting"),
    ]
    assert lines(rows) == [
        " worker    model                                            task            images/s  progress          left",
        " 0 cuda:0  RN50.openai                                      imagenet1k 3/8       915  images 45%     1.2 min",
        " 1 cuda:0  convnext_large_d_320.laion2b_s29b_b131k_ft_soup  cifar10                   loading              –",
        " 2 cuda:0                                                                             idle",
        " 3                                                                                    starting",
        " 12 of 40 pairs · 1 failed · ≥ 1.2 h left · 1,830 images/s · 8 workers · 2 tries lost · 1 node left out",
    ]


def test_two_machines_in_a_narrow_window_have_short_names() -> None:
    rows = [
        WORKING,
        Row("gpu-1.cluster.org", 1, "cuda:0", "prompts", LONG, "imagefolder:/data/mine/of/things", None, 1.0),
        Row("gpu-2.cluster.org", 2, "cuda:0", "metrics", "RN50.openai", "imagenet1k"),
    ]
    assert lines(rows, 80) == [
        " node   worker    model          task           images/s  progress          left",
        " gpu-1  0 cuda:0  RN50.openai    imag…et1k 3/8       915  images 45%     1.2 min",
        "        1 cuda:0  convne…t_soup  imagef…things            prompts 100%         –",
        " gpu-2  2 cuda:0  RN50.openai    imagenet1k               metrics              –",
        " 12 of 40 pairs · 1 failed · ≥ 1.2 h left · 2 tries lost · 1 node left out",
    ]


def test_many_workers_have_a_row_a_machine() -> None:
    rows = [replace(WORKING, node=f"n{number // 8}", number=number % 8, share=None) for number in range(64)]
    rows[9:11] = [Row("n1", 1, "", "starting"), Row("n1", 2, "cpu", "idle")]
    rows[16] = replace(rows[16], model="another", left=90.0)
    shown = lines(rows, 80)
    assert len(shown) == 1 + 8 + 1
    assert shown[:4] == [
        " node  busy    model        task        images/s  progress          left",
        " n0    8 of 8  RN50.openai  imagenet1k     7,320                 1.2 min",
        " n1    6 of 8  RN50.openai  imagenet1k     5,490  1 starting     1.2 min",
        " n2    8 of 8  2 models     imagenet1k     7,320                 1.5 min",
    ]


def test_a_low_window_shows_as_many_machines_as_fit() -> None:
    rows = [replace(WORKING, node=f"n{number}") for number in range(30)]
    shown = lines(rows, 100, height=12)
    assert len(shown) <= 12
    assert shown[-2] == " … and 23 more nodes"
    assert lines(rows[:1] * 8, 100, height=5)[1].split()[1:4] == ["8", "of", "8"]


def test_the_line_about_the_run_says_only_what_there_is() -> None:
    quiet = Totals(3, 0, 0, 0, 0, 0, 0.0, 8.4, TimeLeft(None))
    assert totals_line(quiet).plain == " 0 of 3 pairs · – left · after 8 s"
    assert totals_line(replace(quiet, finished=3, workers=1)).plain == " 3 of 3 pairs · 1 worker · after 8 s"


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        (["ip-10-0-0-1.ec2.internal", "ip-10-0-0-2.ec2.internal"], ["ip-10-0-0-1", "ip-10-0-0-2"]),
        (["a.east", "a.west"], ["a.east", "a.west"]),
        (["10.0.0.1", "10.0.1.1"], ["10.0.0.1", "10.0.1.1"]),
    ],
)
def test_domains_are_left_out_if_hosts_differ(nodes: list[str], names: list[str]) -> None:
    assert node_names(nodes) == names


@given(st.text(max_size=30), st.integers(0, 30))
def test_a_short_name_fits(name: str, width: int) -> None:
    assert cell_len(shortened(name, width)) <= width


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("height", [4, 24, 50])
@pytest.mark.parametrize("per_node", [1, 8, 70])
@pytest.mark.parametrize("name", ["", "RN50", LONG, "模型" * 20, "a\x1b[31m\nb", "[red]x[/]"])
def test_every_line_fits_the_window(width: int, height: int, per_node: int, name: str) -> None:
    widest = Row("", 0, "cuda:1", "prompts", name, name, Share(3, 12), 1.0, 123456.7, 5990.0)
    node = "ip-10-0-12-{}.eu-west-1.compute.internal"
    rows = [replace(widest, node=node.format(number // per_node), number=number % per_node) for number in range(70)]
    found = table_lines(rows, TOTALS, width, height)
    assert len(found) <= max(height, 5)
    for line in found:
        assert cell_len(line.plain) <= width
        assert line.plain.isprintable()
