"""Describes the table of ``vlmbench report ovs``: the survey's Table 11, open-vocabulary semantic segmentation.

The survey is Zhang et al., arXiv 2304.00685.
"""

from vlmbench.reports.builders.survey import Question, SurveyTable, survey_report

_NO_MASKS = "nothing was learnt from masks; SCLIP's protocol"
SURVEY = SurveyTable(
    title="Open-vocabulary semantic segmentation, mIoU (the survey's Table 11)",
    kind="",
    table="survey-11",
    questions=(
        Question("A-847", "ade20k-847", "miou"),
        Question("PC-459", "context459", "miou"),
        Question("A-150", "ade20k", "miou", also={"ade20k-sclip": _NO_MASKS}),
        Question("PC-59", "context59", "miou", also={"context59-sclip": _NO_MASKS}),
        Question("PAS-20", "voc20", "miou", also={"voc20-sclip": _NO_MASKS}),
        Question("C-19", "cityscapes", "miou", also={"cityscapes-sclip": _NO_MASKS}),
    ),
    facts=("image encoder",),
    own_protocols=True,
)
TABLE = survey_report("ovs", "the survey's Table 11: open-vocabulary segmentation", SURVEY, place=14)
