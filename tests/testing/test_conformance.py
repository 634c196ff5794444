"""The report of a check, its error, and that the package stays light."""

from __future__ import annotations

import doctest
import subprocess
import sys

import pytest

import vlmbench.testing
from vlmbench.models import ADAPTERS
from vlmbench.testing import Broken, Conformance, ConformanceError, conformance, registered
from vlmbench.testing.conformance import Inspection


def test_the_example_works() -> None:
    assert doctest.testmod(conformance).failed == 0


def test_a_report_lists_what_was_kept_and_what_was_skipped() -> None:
    found = Conformance("the model 'm'", ("It is fast",), (("It is small", "it is unknown"),))
    assert str(found) == "the model 'm' keeps 1 promise:\n  kept     It is fast\n  skipped  It is small (it is unknown)"


def test_the_error_lists_every_broken_promise_with_what_was_found_and_the_fix() -> None:
    inspection = Inspection("it")
    with inspection.promise("It is even", fix="Add one."):
        inspection.require(False, "3 is odd")
    with inspection.promise("It divides", fix="Not by zero."):
        print(1 / 0)
    with (
        inspection.promise("It refuses texts", fix="Raise TypeError."),
        inspection.require_error(TypeError, "none"),
    ):
        int("no number")
    with (
        inspection.promise("It refuses lists", fix="Raise TypeError."),
        inspection.require_error(TypeError, "none"),
    ):
        pass
    with inspection.promise("It is there", fix="Look."):
        inspection.require(True, "it is gone")
    with pytest.raises(AssertionError) as caught:
        inspection.conclude()
    error = caught.value
    assert isinstance(error, ConformanceError) and error.kept == ("It is there",)
    assert [each.found.split(":")[0] for each in error.broken] == [
        "3 is odd",
        "ZeroDivisionError",
        "ValueError was raised instead of TypeError",
        "none",
    ]
    assert error.broken[0] == Broken("It is even", "3 is odd", "Add one.")
    assert str(error).startswith(
        "it breaks 4 promises and keeps 1:\n  1. It is even\n     found: 3 is odd\n     fix:   Add"
    )


def test_every_name_is_there_and_importing_the_package_imports_no_torch() -> None:
    assert all(getattr(vlmbench.testing, name) is not None for name in vlmbench.testing.__all__)
    with pytest.raises(AttributeError):
        vlmbench.testing.check_nothing  # noqa: B018
    code = "import sys, vlmbench.testing; assert not {'torch', 'pytest', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_entry_is_there_during_the_block_alone() -> None:
    with registered(ADAPTERS, "for-a-moment", "vlmbench.models.conse.adapter:load"):
        assert "for-a-moment" in ADAPTERS
    assert "for-a-moment" not in ADAPTERS
