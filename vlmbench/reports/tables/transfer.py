"""Describes the table of ``vlmbench report transfer``: the survey's Table 9, transfer learning.

The survey is Zhang et al., arXiv 2304.00685.
"""

from vlmbench.reports.builders.survey import Question, SurveyTable
from vlmbench.reports.registry import NUMBERS, ReportTable

SURVEY = SurveyTable(
    title="Transfer learning, accuracy in % (the survey's Table 9)",
    kind="",
    table="survey-9",
    questions=(
        Question("Average", "survey-9-average", "mean"),
        Question("ImageNet-1k", "imagenet1k", "acc1"),
        Question("Caltech-101", "caltech101", "acc1"),
        Question("Pets", "oxford-pets", "acc1"),
        Question("Cars", "stanford-cars", "acc1"),
        Question("Flowers-102", "flowers102", "acc1"),
        Question("Food-101", "food101", "acc1"),
        Question("Aircraft", "fgvc-aircraft", "acc1"),
        Question("SUN397", "sun397", "acc1"),
        Question("DTD", "dtd", "acc1"),
        Question("EuroSAT", "eurosat", "acc1"),
        Question("UCF101", "ucf101-frames", "acc1"),
    ),
    facts=("setup", "image encoder"),
    group_by="setup",
    own_protocols=True,
    note=(
        "Best and second best are among rows of one setup; of measured rows, of one model, track and number of shots. "
        "Measured methods are shown with the most shots that were run, as means over draws; `vlmbench report fewshot` "
        "shows the others."
    ),
)
TABLE = ReportTable(
    "transfer",
    "the survey's Table 9: transfer learning, and adapted models beside it",
    "vlmbench.reports.builders.survey_transfer:transfer_table",
    NUMBERS,
    place=12,
    adapted=True,
)
