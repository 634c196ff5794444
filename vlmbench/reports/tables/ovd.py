"""Describes the table of ``vlmbench report ovd``: the survey's Table 10, open-vocabulary object detection.

The survey is Zhang et al., arXiv 2304.00685.
"""

from vlmbench.reports.builders.survey import Question, SurveyTable, survey_report

_OWN_DETECTOR = "found by the model's own detector, which may have learnt from more than this set's base classes"
SURVEY = SurveyTable(
    title="Open-vocabulary object detection (the survey's Table 10)",
    kind="",
    table="survey-10",
    questions=(
        Question("base", "ov-coco", "ap50_base", "COCO AP", {"ov-coco-native": _OWN_DETECTOR}),
        Question("novel", "ov-coco", "ap50_novel", "COCO AP", {"ov-coco-native": _OWN_DETECTOR}),
        Question("all", "ov-coco", "ap50", "COCO AP", {"ov-coco-native": _OWN_DETECTOR}),
        Question("rare", "ov-lvis", "ap_rare", "LVIS AP", {"lvis-native": _OWN_DETECTOR}),
        Question("common", "ov-lvis", "ap_common", "LVIS AP", {"lvis-native": _OWN_DETECTOR}),
        Question("frequent", "ov-lvis", "ap_frequent", "LVIS AP", {"lvis-native": _OWN_DETECTOR}),
        Question("all", "ov-lvis", "ap", "LVIS AP", {"lvis-native": _OWN_DETECTOR}),
    ),
    facts=("image encoder",),
    own_protocols=True,
)
TABLE = survey_report("ovd", "the survey's Table 10: open-vocabulary detection", SURVEY, place=13)
