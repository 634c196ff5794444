"""Describes the table of ``vlmbench report classification``: the survey's Table 6, zero-shot image classification.

The survey is Zhang et al., arXiv 2304.00685.
"""

from vlmbench.reports.builders.survey import Question, SurveyTable, survey_report

SURVEY = SurveyTable(
    title="Zero-shot image classification, accuracy in % (the survey's Table 6)",
    kind="classification",
    table="survey-6",
    questions=(
        Question("ImageNet-1k", "imagenet1k", "acc1"),
        Question("CIFAR-10", "cifar10", "acc1"),
        Question("CIFAR-100", "cifar100", "acc1"),
        Question("Food-101", "food101", "acc1"),
        Question("SUN397", "sun397", "acc1"),
        Question("Cars", "stanford-cars", "acc1"),
        Question("Aircraft", "fgvc-aircraft", "mean_per_class_recall"),
        Question("DTD", "dtd", "acc1"),
        Question("Pets", "oxford-pets", "mean_per_class_recall"),
        Question("Caltech-101", "caltech101", "mean_per_class_recall"),
        Question("Flowers-102", "flowers102", "mean_per_class_recall"),
    ),
    note="Aircraft, Pets, Caltech-101 and Flowers-102: the mean over classes; the others: over images.",
    without_numbers="OTTER, ZeroVL, FLAVA",
)
TABLE = survey_report("classification", "the survey's Table 6 with your models: image classification", SURVEY, place=9)
