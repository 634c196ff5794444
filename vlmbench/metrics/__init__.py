"""Pure functions from predictions to numbers and their 95 % intervals. NumPy only."""

from vlmbench.metrics.base import CONFIDENCE, RESAMPLES, Estimate
from vlmbench.metrics.classification import (
    ECE_BINS,
    ClassRow,
    confusion_counts,
    expected_calibration_error,
    mean_per_class_recall,
    per_class,
    top_k_accuracy,
)
from vlmbench.metrics.intervals import (
    WeightedStatistic,
    Weights,
    bootstrap_estimate,
    bootstrap_interval,
    wilson,
)
from vlmbench.metrics.ranking import (
    average_precision,
    average_precision_11_point,
    mean_average_precision,
    mean_average_precision_11_point,
    mean_roc_auc,
    roc_auc,
)
from vlmbench.metrics.rare_actions import (
    ActionRows,
    action_rows,
    mean_sampled_average_precision,
    mean_weighted_average_precision,
    weighted_average_precision,
)
from vlmbench.metrics.retrieval import mean_rank, mean_recall_at_k, median_rank, recall_at_k

__all__ = [
    "CONFIDENCE",
    "ECE_BINS",
    "RESAMPLES",
    "ActionRows",
    "ClassRow",
    "Estimate",
    "WeightedStatistic",
    "Weights",
    "action_rows",
    "average_precision",
    "average_precision_11_point",
    "bootstrap_estimate",
    "bootstrap_interval",
    "confusion_counts",
    "expected_calibration_error",
    "mean_average_precision",
    "mean_average_precision_11_point",
    "mean_per_class_recall",
    "mean_rank",
    "mean_recall_at_k",
    "mean_roc_auc",
    "mean_sampled_average_precision",
    "mean_weighted_average_precision",
    "median_rank",
    "per_class",
    "recall_at_k",
    "roc_auc",
    "top_k_accuracy",
    "weighted_average_precision",
    "wilson",
]
