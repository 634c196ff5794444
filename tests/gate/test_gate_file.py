"""The gate file: what it may say, and what is said of one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmbench.errors import UsageError
from vlmbench.gate.gate_file import read_gate
from vlmbench.gate.policy import Amount, Gate, matches, required_names


def gate(tmp_path: Path, text: str) -> Gate:
    path = tmp_path / "gate.yaml"
    path.write_text(text)
    return read_gate(path)


FULL = """
schema: vlmbench.gate/1
significance: 0.01
inconclusive: warn
defaults: {tolerance: 0.002, margin: 1 point}
required: [imagenet1k, "cifar*"]
rules:
  - tasks: ["imagenet*"]
    metric: acc5
    tolerance: {absolute: 0.005, relative: 0.01}
    max_class_drop: 5 points
  - tasks: [imagenet1k]
    must_improve: true
    tolerance: 2%
    min_speed_ratio: 0.9
    max_memory_ratio: 1.1
  - tasks: ["suite:retrieval"]
    significance: 0.2
    inconclusive: fail
"""


def test_the_last_rule_that_matches_wins_field_by_field(tmp_path: Path) -> None:
    found = gate(tmp_path, FULL)
    one = found.terms("imagenet1k").settings
    assert one.metric == "acc5" and one.must_improve and one.min_speed_ratio == 0.9
    assert one.tolerance == Amount(relative=0.02) and one.max_class_drop == Amount(absolute=0.05)
    assert one.significance == 0.01 and one.inconclusive == "warn" and one.margin == Amount(absolute=0.01)
    other = found.terms("imagenet-v2").settings
    assert other.tolerance == Amount(absolute=0.005, relative=0.01) and not other.must_improve
    assert found.terms("cifar10").settings.tolerance == Amount(absolute=0.002)
    robust = found.terms("flickr30k").settings
    assert robust.significance == 0.2 and robust.inconclusive == "fail"
    assert found.idle_rules(["imagenet-r"]) == [1, 2]


def test_amounts_are_the_larger_of_both_parts() -> None:
    both = Amount(absolute=0.005, relative=0.01)
    assert both.of(0.2) == 0.005 and both.of(0.8) == pytest.approx(0.008)
    assert Amount.model_validate("0.5 points").of(0.1) == pytest.approx(0.005)
    assert Amount.model_validate("2%").of(0.5) == pytest.approx(0.01)
    assert Amount.model_validate(0.01).of(0.5) == 0.01


def test_amounts_are_of_fractions_but_in_a_rule_that_names_a_metric_of_ranks(tmp_path: Path) -> None:
    found = gate(
        tmp_path,
        "defaults: {tolerance: 0.02, margin: 0.03}\n"
        "rules:\n"
        "- {tasks: [b, c], metric: image_to_text_mean_rank, tolerance: 3}\n"
        "- {tasks: [c], tolerance: 10%}",
    )
    plain, ranks, share = found.terms("a"), found.terms("b"), found.terms("c")
    assert (plain.tolerance(0.5, "fraction"), plain.margin(0.5, "fraction")) == (0.02, 0.03)
    assert (plain.tolerance(20, "rank"), plain.margin(20, "rank")) == (0, 0.5)
    assert (ranks.tolerance(20, "rank"), ranks.margin(20, "rank")) == (3, 3), "the margin is never below the tolerance"
    assert share.tolerance(20, "rank") == pytest.approx(2)


def test_required_suites_mean_all_of_their_tasks() -> None:
    names = required_names(["cifar10", "suite:robustness"])
    assert names[0] == "cifar10" and {"imagenet-a", "imagenet-r"} <= set(names)
    assert matches("imagenet-r", ["suite:robustness"]) and not matches("cifar10", ["suite:robustness", "CIFAR*"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("significance: 0.05\ntolerence: 1", ("gate.yaml:2: tolerence", "unknown field")),
        ("rules:\n - tasks: [a]\n   tolerence: 0", ("gate.yaml:3: rules[0].tolerence", "Did you mean 'tolerance'")),
        ("defaults:\n  margn: 0", ("gate.yaml:2: defaults.margn", "Did you mean 'margin'")),
        ("rules: [{tasks: [a], tolerance: {absolut: 1}}]", ("tolerance.absolut", "Did you mean 'absolute'")),
        ("defaults: {tolerance: -0.1}", ("defaults.tolerance.absolute", "greater than or equal to 0")),
        ("defaults: {tolerance: 5}", ("defaults.tolerance", '0.05 or "5 points"')),
        ("defaults: {tolerance: .nan}", ("defaults.tolerance", "finite number")),
        ("defaults: {tolerance: yes}", ("defaults.tolerance", "not yes or no")),
        ("defaults: {margin: lots}", ("defaults.margin", "'lots' is not an amount", "0.5 points")),
        ("defaults: {margin: 1.2.3 points}", ("defaults.margin", "is not an amount")),
        ("defaults: {margin: 150%}", ("defaults.margin.relative", "less than or equal to 1")),
        ("significance: 5", ("gate.yaml:1: significance", "less than 1, not 5")),
        ("significance: 0", ("significance", "greater than 0")),
        ("inconclusive: ignore", ("inconclusive", "'fail' or 'warn', not 'ignore'")),
        ("rules:\n - tolerance: 0", ("gate.yaml:2: rules[0].tasks", "Field required")),
        ("rules:\n - tasks: []", ("rules[0].tasks", "at least 1")),
        ("rules:\n - tasks: [suite:robustnes]", ("unknown suite 'robustnes'", "Did you mean 'robustness'")),
        ("required: [suite:nope-nope]", ("gate.yaml:1: required", "unknown suite 'nope-nope'")),
        ("rules: [{tasks: [a], min_speed_ratio: 0}]", ("min_speed_ratio", "greater than 0")),
        ("rules: [{tasks: [a], max_memory_ratio: many}]", ("max_memory_ratio", "not 'many'")),
        ("rules: [{tasks: [a], class_evidence: seen}]", ("class_evidence", "'significant' or 'observed'")),
        ("schema: vlmbench.gate/2", ("gate.yaml:1: schema", "vlmbench.gate/1")),
        ("rules: 5", ("rules", "list")),
        ("- a\n- b", ("a mapping of fields, not list", "significance")),
        ("", ("a mapping of fields, not empty",)),
        ("a: [", ("not valid YAML", "line")),
        ("a: 2024-99-99", ("not valid YAML",)),
        ("a: &a [x]\nb: [*a, *a]", ("gate.yaml:2: *a", "cannot have aliases", "one rule")),
        ("&a [*a]", ("gate.yaml:1: *a", "cannot have aliases")),
        ("a: " + "[" * 5000 + "]" * 5000, ("nested too deep",)),
        ("defaults: {tolerance: [1]}", ("gate.yaml:1: defaults.tolerance: write an amount", "0.5 points")),
        ("significance: 0.1\nsignificance: 0.2", ("gate.yaml:2: 'significance' occurs twice; the first is in line 1",)),
        (
            "rules:\n - tasks: [a]\n   margin: 0\n   margin: 1",
            ("gate.yaml:4: 'margin' occurs twice; the first is in line 3",),
        ),
    ],
)
def test_whatever_is_wrong_is_named_with_its_line_and_the_remedy(
    tmp_path: Path, text: str, said: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError) as error:
        gate(tmp_path, text)
    assert error.value.exit_code == 2
    for words in said:
        assert words in str(error.value)


def test_every_fault_is_listed(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        gate(tmp_path, "significance: 2\ninconclusive: x\nwhatever: 1")
    assert [line.split(":")[1] for line in error.value.message.splitlines()] == ["1", "2", "3"]


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no gate file"):
        read_gate(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="cannot be read"):
        read_gate(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_gate(tmp_path / "b.yaml")
    (tmp_path / "large.yaml").write_text("# \n" * 2**19)
    with pytest.raises(UsageError, match="above 1 MiB"):
        read_gate(tmp_path / "large.yaml")


def test_a_byte_order_mark_is_no_part_of_the_first_field(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_bytes(b"\xef\xbb\xbfsignificance: 0.1\n")
    assert read_gate(tmp_path / "gate.yaml").significance == 0.1
