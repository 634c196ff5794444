"""Every code of remarks. The table in ``docs/remarks.md`` is made from here.

A package that adds a model, a dataset or a task declares its own :class:`~vlmbench.remarks.base.Code` beside the code
that says it; ``--strict`` does not let such a remark pass.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.remarks.base import Code, Remark

_ASKED = "The user asked for it."

# What was asked: in every record, from its fields.
SUBSET = Code("subset", "A subset of the samples was scored (`--limit`).", unranked=True, not_strict=_ASKED)
SEED = Code("seed", "The subset was drawn with another seed than 0.", unranked=True, not_strict=_ASKED, everywhere=True)
PRECISION = Code("precision", "The model ran in reduced precision (`--precision`).", not_strict=_ASKED, everywhere=True)
SETTING = Code(
    "setting", "A field of the task's protocol was set (`--set`).", unranked=True, not_strict=_ASKED, everywhere=True
)
READOUT = Code(
    "readout",
    "Patches were read out in a way that the model or the card names.",
    not_strict="It is a part of the question, and always there.",
    everywhere=True,
)
TRANSFER = Code(
    "transfer", "The model was adapted before it answered.", unranked=True, not_strict=_ASKED, everywhere=True
)
OWN_CLASS_NAMES = Code(
    "own-class-names", "The user gave the class names.", unranked=True, not_strict=_ASKED, everywhere=True
)
OWN_TEMPLATES = Code("own-templates", "The user gave the templates.", unranked=True, not_strict=_ASKED, everywhere=True)
IMPORTED = Code(
    "imported",
    "Another program computed the number.",
    not_strict="A run writes no such record.",
    everywhere=True,
)

# Data.
OTHER_SIZE = Code("other-size", "The data has another number of samples than the card's standard split.", unranked=True)
BAD_SAMPLES = Code("bad-samples", "Samples that could not be used were left out (`--skip-bad`).", unranked=True)
FILES_PASSED_OVER = Code(
    "files-passed-over",
    "Files lie beside the samples and were not read: other kinds of files, hidden ones, or ones without a partner.",
)
ASSUMED_MASK_VALUES = Code(
    "mask-values-assumed",
    "Masks of two classes hold 255, and nothing says whether it is the second class or not scored; what else the masks "
    "hold decided it.",
)
MASK_PALETTES_DIFFER = Code(
    "mask-palettes-differ", "Palettes give one value of the masks several colours, so that values may mean nothing."
)
VOID_MASKS = Code("void-masks", "Masks have no pixel to score, and have no part in the mean.")
EMPTY_CLASSES = Code(
    "empty-classes", "Class folders hold no image or clip, so that no answer of these classes can be right."
)
MISSING_IMAGES = Code("missing-images", "A list names images or clips that are not there.")
EMPTY_CAPTIONS = Code("empty-captions", "Captions without words, or images without captions, were left out.")
REPEATED_CAPTIONS = Code(
    "repeated-captions",
    "Images have the same caption more than once.",
    not_strict="Standard sets have some, and they are scored as they stand.",
)
IMAGE_NAMES = Code(
    "image-names",
    "Images were found under other names than a list gives: in another letter case, folder or format.",
)
FEW_CAPTIONS = Code("few-captions", "Images have fewer captions than the protocol takes.")
HUB_NOT_ASKED = Code("hub-not-asked", "The hub could not be asked whether the cached data is complete and current.")
PARTIAL_ANNOTATION = Code(
    "partial-annotation",
    "Not every class is annotated in every image, and the evaluator counts what is not as mistakes.",
)
NO_PROPOSALS = Code("no-proposals", "Images have no proposals, so that nothing can be found in them.")
OWN_DETECTOR = Code(
    "own-detector",
    "The model's own detector found the boxes, since it cannot name given ones, and nothing said whose boxes count.",
    unranked=True,
)
EMPTY_REGIONS = Code("empty-regions", "Boxes were empty or outside their image.")
BOXES_OUTSIDE = Code("boxes-outside", "Boxes stick out of their image by more than annotators' rounding.")
REPEATED_BOXES = Code("repeated-boxes", "Boxes are annotated more than once: same image, same class, same place.")
UNLABELLED_IMAGES = Code(
    "unlabelled-images", "Most images have no file of boxes, and count as images without any object."
)
ALIKE_CLASS_NAMES = Code("alike-class-names", "Class names differ in case, blanks, hyphens or underscores alone.")
GIVEN_BOXES = Code(
    "given-boxes",
    "The model named boxes that the data gives, and no card asked for that: the score says nothing of finding them.",
    not_strict="The number itself is whole, and a model without a detector has no other.",
)
NO_OBJECTS = Code(
    "no-objects",
    "The data has classes without an object, which have no part in the mean, and which models can still choose.",
    not_strict="What has a value is whole, and is over the same objects in any other evaluator.",
)

DATASET_TRANSFORM = Code(
    "dataset-transform",
    "The dataset was given as an object that transforms its images itself, before the model's own transform.",
)

# Pixels.
SCALED_VALUES = Code(
    "scaled-values", "Images have more than 8 bits a channel, or real numbers, and were scaled to 8 bits by a range."
)
TRANSPARENCY = Code("transparency", "Images are transparent in places, where white was put behind them.")
ORIENTATION_KEPT = Code(
    "orientation-kept",
    "Images have an EXIF tag that asks to turn them, and were read as they are stored.",
    not_strict="Published protocols and peers read classification data so; boxes and masks say it themselves.",
)
ORIENTATION_APPLIED = Code(
    "orientation-applied",
    "Images or masks have an EXIF tag that asks to turn them, and were turned as annotation tools do.",
    not_strict="The annotations are of the turned images.",
)
FIRST_FRAME = Code("first-frame", "Image files hold several pictures, and the first was read.")

# Clips.
FIRST_STREAM = Code("first-stream", "Files hold several video streams, and the first was read.")
TURNED_VIDEOS = Code(
    "turned-videos",
    "Videos ask to be turned by right angles, and were turned as players do.",
    not_strict="It is how every player shows them.",
)
OBLONG_PIXELS = Code("oblong-pixels", "Videos have pixels that are not square, and frames were not stretched.")

# Prompts.
REPEATED_CLASS_NAMES = Code("repeated-class-names", "Class names occur more than once: no model can tell them apart.")
REPEATED_CARD_NAMES = Code(
    "repeated-card-names",
    "The card, or ImageNet's list of names behind WordNet ids, has class names more than once: no model can tell them "
    "apart.",
    not_strict="Published lists have some, and published numbers were made with them.",
)
CLASS_ORDER = Code(
    "class-order", "None of the user's class names is a name in the data, so that their order could not be checked."
)
WORDNET_NAMES = Code(
    "wordnet-names",
    "Classes have WordNet ids, and the prompts have ImageNet's names, or the names behind the ids.",
    not_strict="An id has one name on the card of ImageNet, so that nothing is guessed.",
)
IDS_AS_PROMPTS = Code("ids-as-prompts", "Class names are numbers or ids, and so are the words of the prompts.")
EMPTY_CLASS_NAMES = Code(
    "empty-class-names",
    "The card leaves class names empty, so that their prompts are the templates alone.",
    not_strict="The card's author means it: some published lists have such a class.",
)
UNFILLED_PLACES = Code(
    "unfilled-places", "Class names or templates hold a word in braces, such as {} or {name}, which stays as it is."
)
TEXTS_CUT = Code(
    "texts-cut",
    "Prompts have more tokens, those of start and end included, than the model reads, and are cut.",
)
CAPTIONS_CUT = Code(
    "captions-cut",
    "Captions have more tokens, those of start and end included, than the model reads, and are cut.",
    not_strict="Captions are what they are, and published numbers cut them as well.",
)
INDISTINCT_CLASSES = Code(
    "indistinct-classes",
    "Classes of different names are one and the same to the model: it reads their prompts as the same tokens.",
)
SHARED_WORDS = Code("shared-words", "Words stand for more than one class, and count for the first.")

# Metrics.
NO_VALUE = Code("no-value", "The data or the model cannot define the task's main metric, which has no value.")
UNSCORED_CLASSES = Code("unscored-classes", "Classes occur in no image, and have no part in the mean.")
NO_INTERVALS = Code(
    "no-intervals",
    "The evaluator gives neither intervals nor results of single classes.",
    not_strict="The number itself is whole, and the user or the card chose the evaluator.",
)
SETTING_UNUSED = Code("setting-unused", "A field of the protocol was set and plays no part.")

# Models.
RANDOM_WEIGHTS = Code(
    "random-weights", "The weights were drawn at random, so that the number means nothing.", unranked=True
)
ACTIVATION_ASSUMED = Code("activation-assumed", "Nothing tells with which activation the weights were trained.")
ACTIVATION_CORRECTED = Code(
    "activation-corrected", "The weights were trained with another activation than the architecture's, which was used."
)
ACTIVATION_MISMATCH = Code(
    "activation-mismatch", "The user asked for an activation with which the weights were not trained.", unranked=True
)
TRANSFORM_ASSUMED = Code("transform-assumed", "Nothing tells with which image transform the weights were trained.")
TRANSFORM_TAKEN = Code("transform-taken", "The image transform was taken from what is known of the weights.")
POSITIONS_INTERPOLATED = Code(
    "positions-interpolated", "Positional embeddings were stretched to another size than they were trained at."
)
UNUSED_WEIGHTS = Code("unused-weights", "The checkpoint has weights for which the model has no place.")
SEVERAL_WEIGHTS = Code(
    "several-weights", "A file or folder holds several different weights for the model, and one of them was loaded."
)
MISSING_WEIGHTS = Code("missing-weights", "The checkpoint lacks a weight, and the library's fixed value was taken.")
CASE_KEPT = Code("case-kept", "The tokenizer keeps case, and the family was trained on lower-case text.")
NO_IDENTITY = Code(
    "no-identity",
    "The model was given as an object, and nothing states what it is, so that no cached feature and no earlier record "
    "was used.",
    not_strict="The number itself is whole: it was only computed anew.",
    everywhere=True,
)
WEIGHTS_PRECISION = Code(
    "weights-precision",
    "The model was given as an object with weights in 16 bits, and ran in them.",
    not_strict="The user gave the model so.",
    everywhere=True,
)
SEVERAL_MODELS = Code(
    "several-models",
    "The results folder has records of several models under this name. The newest has the name, and an older one a row "
    "of its own, unless the newest has answered all its questions.",
    not_strict="Tables find it out; a run writes no such record.",
    everywhere=True,
)
LIBRARY = Code("library", "The library that loaded the model logged a warning.")

# The machine.
OUT_OF_MEMORY = Code(
    "out-of-memory",
    "A batch did not fit into memory, and was halved.",
    not_strict="The size of a batch changes a number by rounding only.",
)
FEATURE_CACHE = Code(
    "feature-cache",
    "The feature cache was broken, full or not to be used.",
    not_strict="Features are computed again, and no number changes.",
)
WARNING = Code("warning", "Code outside this package, or code that knows no code for it, warned of something.")

CHOICES = frozenset(
    code.name
    for code in (SUBSET, SEED, PRECISION, SETTING, READOUT, TRANSFER, OWN_CLASS_NAMES, OWN_TEMPLATES, IMPORTED)
)
"""How a question was asked, which is in the record's fields too; all other remarks are of what happened."""
FROM_FIELDS = CHOICES | {BAD_SAMPLES.name, NO_VALUE.name}
"""What a record's fields say, whatever version wrote it; :mod:`vlmbench.asked` reads it there."""
CODES: Mapping[str, Code] = {code.name: code for code in list(vars().values()) if isinstance(code, Code)}
"""Every code by its name."""


def is_strict(remark: Remark) -> bool:
    """Whether ``--strict`` makes this remark an error. A code that is not known here, a third party's, is strict."""
    code = CODES.get(remark.code)
    return code is None or not code.not_strict
