"""Describes the table of ``vlmbench report detection``: the survey's Table 8, zero-shot object detection.

The survey is Zhang et al., arXiv 2304.00685.
"""

from vlmbench.reports.builders.survey import Question, SurveyTable, survey_report

SURVEY = SurveyTable(
    title="Zero-shot object detection, AP (the survey's Table 8)",
    kind="detection",
    table="survey-8",
    questions=(
        Question("COCO", "coco-native", "ap"),
        Question("LVIS", "lvis-native", "ap"),
        Question("LVIS minival", "lvis-minival", "ap"),
    ),
)
TABLE = survey_report("detection", "the survey's Table 8: object detection", SURVEY, place=11)
