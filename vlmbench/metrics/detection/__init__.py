"""Average precision of boxes: pycocotools' matches, and what is read off them for any weighting of the images."""

from vlmbench.metrics.detection.accuracy import mean_class_accuracy
from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth, Federation
from vlmbench.metrics.detection.engines import ENGINES, engine_values
from vlmbench.metrics.detection.matching import Matches, match_boxes
from vlmbench.metrics.detection.measures import (
    COCO_MEASURES,
    FREQUENCIES,
    LVIS_MEASURES,
    BoxMeasure,
    box_estimates,
    box_values,
)
from vlmbench.metrics.detection.precision import average_precisions, recalls

__all__ = [
    "COCO_MEASURES",
    "ENGINES",
    "FREQUENCIES",
    "LVIS_MEASURES",
    "BoxMeasure",
    "BoxPredictions",
    "BoxTruth",
    "Federation",
    "Matches",
    "average_precisions",
    "box_estimates",
    "box_values",
    "engine_values",
    "match_boxes",
    "mean_class_accuracy",
    "recalls",
]
