"""Describes the table of ``vlmbench report segmentation``: the survey's Table 7, zero-shot semantic segmentation.

The survey is Zhang et al., arXiv 2304.00685.
"""

from vlmbench.reports.builders.survey import Question, SurveyTable, survey_report

SURVEY = SurveyTable(
    title="Zero-shot semantic segmentation, mIoU (the survey's Table 7)",
    kind="segmentation",
    table="survey-7",
    questions=(
        Question("PASCAL VOC", "voc21-sclip", "miou"),
        Question("PASCAL Context", "context60-sclip", "miou"),
        Question("COCO-Object", "coco-object-sclip", "miou"),
    ),
    note="Measured in SCLIP's protocol; columns named like task cards are in the protocol of their names.",
)
TABLE = survey_report("segmentation", "the survey's Table 7: semantic segmentation", SURVEY, place=10)
