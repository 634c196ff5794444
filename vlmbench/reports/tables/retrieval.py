"""Describes the table of ``vlmbench report retrieval``: zero-shot retrieval in the form of the survey's tables.

The survey itself has no such table. The survey is Zhang et al., arXiv 2304.00685.
"""

from vlmbench.reports.builders.survey import Question, SurveyTable, survey_report

SURVEY = SurveyTable(
    title="Zero-shot retrieval, recall@1 (the survey has no table of it)",
    kind="retrieval",
    table="",
    questions=(
        Question("image to text", "flickr30k", "image_to_text_recall@1", "Flickr30k"),
        Question("text to image", "flickr30k", "text_to_image_recall@1", "Flickr30k"),
        Question("image to text", "mscoco-captions", "image_to_text_recall@1", "COCO Captions"),
        Question("text to image", "mscoco-captions", "text_to_image_recall@1", "COCO Captions"),
    ),
)
TABLE = survey_report("retrieval", "image-text retrieval in the form of the survey's tables", SURVEY, place=15)
