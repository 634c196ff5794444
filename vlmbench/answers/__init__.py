"""What models answered, sample by sample, read back from the tables beside records and held against each other.

NumPy and Arrow only: whoever compares two runs needs neither the models nor the data.
"""

from vlmbench.answers.measured import FromColumns, Measured, Pairing, SampleChanges
from vlmbench.answers.paired_metric import (
    ClassDifference,
    PairedMetric,
    class_differences,
    difference,
    measured,
    pair,
    pairing,
    pairing_columns,
    same_behaviour,
)
from vlmbench.answers.tables import Aligned, Answers, align, read_answers, read_table

__all__ = [
    "Aligned",
    "Answers",
    "ClassDifference",
    "FromColumns",
    "Measured",
    "PairedMetric",
    "Pairing",
    "SampleChanges",
    "align",
    "class_differences",
    "difference",
    "measured",
    "pair",
    "pairing",
    "pairing_columns",
    "read_answers",
    "read_table",
    "same_behaviour",
]
