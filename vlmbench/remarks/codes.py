"""The codes of all remarks. Every room takes its codes from here, and ``docs/remarks.md`` is made from them.

A package that adds a model, a dataset or a task declares its own :class:`~vlmbench.remarks.base.Code`, next to the code
that makes the remark. A remark with such a code fails ``--strict``.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.remarks.base import Code, Remark

_ASKED = "The user asked for it."

# How the question was asked. Every record has these remarks; they are made from its fields.
SUBSET = Code("subset", "A subset of the samples was scored (`--limit`).", unranked=True, not_strict=_ASKED)
SEED = Code("seed", "The seed of the subset was not 0.", unranked=True, not_strict=_ASKED, everywhere=True)
PRECISION = Code("precision", "The model ran in reduced precision (`--precision`).", not_strict=_ASKED, everywhere=True)
SETTING = Code(
    "setting", "A field of the task's protocol was set (`--set`).", unranked=True, not_strict=_ASKED, everywhere=True
)
READOUT = Code(
    "readout",
    "The model or the card names the readout, which is the way to take features of patches from the model.",
    not_strict="The readout is part of the question. Every such record has this remark.",
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
    not_strict="`run` never writes such a record.",
    everywhere=True,
)

# Answers that were made elsewhere.
ANSWERS_GIVEN = Code(
    "answers-given",
    "The answers were made elsewhere and read from a file. vlmbench computed the metrics.",
    not_strict=_ASKED,
    everywhere=True,
)
IMAGES_ABSENT = Code(
    "images-absent",
    "The answers were made elsewhere, and no image was on this machine. The fingerprint of the data covers ids and "
    "labels only.",
)
ANSWERS_UNMATCHED = Code(
    "answers-unmatched", "A file of answers has answers to samples that the data does not have. They were not used."
)
ANSWERS_MISSING = Code(
    "answers-missing", "A file of answers lacks answers to samples, and the card leaves them out.", unranked=True
)
ANSWERS_IN_ORDER = Code(
    "answers-in-order", "A file of answers does not name its samples. They were taken in the order of the data."
)
PAIRS_UNSCORED = Code(
    "pairs-unscored",
    "A file of answers lacks scores of pairs, or its lists are short. Such a pair ranks behind all others.",
    not_strict="Lists of the best candidates are usual. A rank behind the end of a list is the worst possible one.",
)

# Data.
OTHER_SIZE = Code(
    "other-size",
    "The number of samples in the data differs from the number in the card's standard split.",
    unranked=True,
)
SUPPORT_OVERLAP = Code(
    "support-overlap",
    "Images of the train or val data have the same content as test images, or as each other's. They were not drawn.",
    not_strict="The support set is drawn without them, so that no number depends on them.",
)
SUPPORT_FEWER = Code(
    "support-fewer",
    "Classes have fewer train or val images than the support set asks for. All of theirs were drawn.",
)
VAL_ABSENT = Code(
    "val-absent",
    "The card names val data that is in none of its places. Validation images come from the train data instead.",
)
BAD_SAMPLES = Code("bad-samples", "Samples that could not be used were left out (`--skip-bad`).", unranked=True)
FILES_PASSED_OVER = Code(
    "files-passed-over",
    "Some files beside the samples were not read: other kinds of files, hidden files, or files without a partner.",
)
ASSUMED_MASK_VALUES = Code(
    "mask-values-assumed",
    "Masks of two classes contain 255. Nothing states whether 255 is the second class or pixels that are not scored. "
    "The other values in the masks decided it.",
)
MASK_PALETTES_DIFFER = Code(
    "mask-palettes-differ", "The masks' palettes give one value several colours, so the values may not be classes."
)
VOID_MASKS = Code("void-masks", "Masks have no pixel to score. They do not count in the mean.")
EMPTY_CLASSES = Code(
    "empty-classes", "Class folders contain no image or clip, so an answer with one of these classes is always wrong."
)
MISSING_IMAGES = Code("missing-images", "A list names images or clips that do not exist.")
EMPTY_CAPTIONS = Code("empty-captions", "Captions without words, or images without captions, were left out.")
REPEATED_CAPTIONS = Code(
    "repeated-captions",
    "Images have the same caption more than once.",
    not_strict="Standard datasets have such captions, and protocols score them unchanged.",
)
IMAGE_NAMES = Code(
    "image-names",
    "Images were found under names that differ from the list's: in letter case, folder or format.",
)
FEW_CAPTIONS = Code("few-captions", "Images have fewer captions than the protocol uses.")
HUB_NOT_ASKED = Code(
    "hub-not-asked",
    "The hub could not be reached, so vlmbench could not check that the cached data is complete and current.",
)
PARTIAL_ANNOTATION = Code(
    "partial-annotation",
    "Some images are not annotated for every class. The evaluator counts detections of the other classes as mistakes.",
)
NO_PROPOSALS = Code("no-proposals", "Images have no proposals, so no object can be found in them.")
OWN_DETECTOR = Code(
    "own-detector",
    "The model's own detector found the boxes, because it cannot classify given boxes and the card does not state "
    "which boxes to use.",
    unranked=True,
)
EMPTY_REGIONS = Code("empty-regions", "Boxes are empty or outside their image.")
BOXES_OUTSIDE = Code("boxes-outside", "Boxes extend beyond their image by more than rounding explains.")
REPEATED_BOXES = Code("repeated-boxes", "Boxes are annotated more than once: same image, class and place.")
UNLABELLED_IMAGES = Code(
    "unlabelled-images", "Most images have no annotation file. They count as images without objects."
)
ALIKE_CLASS_NAMES = Code("alike-class-names", "Class names differ only in letter case, spaces, hyphens or underscores.")
GIVEN_BOXES = Code(
    "given-boxes",
    "The model classified the boxes that the data gives. The score does not measure how well it finds boxes.",
    not_strict="The number is correct, and a model without a detector can answer no other question.",
)
NO_OBJECTS = Code(
    "no-objects",
    "The data has classes without objects. They do not count in the mean, but models can still choose them.",
    not_strict="The other classes' values are correct, and any other evaluator gives the same.",
)

# Boxes and masks of files of answers that were made elsewhere.
UNANSWERED_IMAGES = Code(
    "unanswered-images", "A results file has no detection for most of the images. They count as images without one."
)
OTHER_CATEGORIES = Code(
    "other-categories",
    "A file of answers has categories that are not classes of the task. They do not count.",
)
REPEATED_DETECTIONS = Code(
    "repeated-detections",
    "A results file has detections more than once: same image, class, box and score. Each counts, most as a mistake.",
)
DETECTIONS_OUTSIDE = Code(
    "detections-outside",
    "Most boxes of a results file leave their images, or look like corners in place of a corner and a size.",
)
DETECTIONS_LEFT_OUT = Code(
    "detections-left-out",
    "A results file has detections below the protocol's threshold of scores, or more than its limit for an image.",
    not_strict="The protocol states both, and they hold for every detector.",
)

DATASET_TRANSFORM = Code(
    "dataset-transform",
    "The dataset was an object in memory that transforms its images itself, before the model's own transform.",
)

# Pixels.
SCALED_VALUES = Code(
    "scaled-values", "Images with more than 8 bits a channel, or with floating-point values, were scaled to 8 bits."
)
TRANSPARENCY = Code("transparency", "Images have transparent places, which became white.")
ORIENTATION_KEPT = Code(
    "orientation-kept",
    "Images have an EXIF tag for rotation or mirroring. vlmbench did not apply it.",
    not_strict="Published protocols and other harnesses do not apply it in classification and retrieval.",
)
ORIENTATION_APPLIED = Code(
    "orientation-applied",
    "Images or masks have an EXIF tag for rotation or mirroring. vlmbench applied it, as annotation tools do.",
    not_strict="The annotations fit the rotated images.",
)
FIRST_FRAME = Code("first-frame", "Image files contain several pictures. The first one was read.")

# Clips.
FIRST_STREAM = Code("first-stream", "Files contain several video streams. The first one was read.")
TURNED_VIDEOS = Code(
    "turned-videos",
    "Videos have a rotation tag. vlmbench applied it, as players do.",
    not_strict="Every player shows these videos in this way.",
)
OBLONG_PIXELS = Code("oblong-pixels", "Videos have pixels that are not square. Their frames were not stretched.")

# Prompts.
REPEATED_CLASS_NAMES = Code(
    "repeated-class-names", "Class names occur more than once, so no model can tell these classes apart."
)
REPEATED_CARD_NAMES = Code(
    "repeated-card-names",
    "The card, or ImageNet's list of names for WordNet ids, has class names more than once, so no model can tell these "
    "classes apart.",
    not_strict="Published lists have such names, and published numbers were computed with them.",
)
CLASS_ORDER = Code(
    "class-order", "No class name from the user occurs in the data, so vlmbench could not check their order."
)
WORDNET_NAMES = Code(
    "wordnet-names",
    "Classes have WordNet ids. The prompts use the names that ImageNet's card or WordNet gives these ids.",
    not_strict="ImageNet's card gives each id one name, so vlmbench does not guess.",
)
IDS_AS_PROMPTS = Code(
    "ids-as-prompts", "Class names are numbers or ids, so the prompts contain numbers or ids instead of words."
)
EMPTY_CLASS_NAMES = Code(
    "empty-class-names",
    "The card has empty class names. Their prompts consist of the templates only.",
    not_strict="The card's author chose it: some published lists have such a class.",
)
UNFILLED_PLACES = Code(
    "unfilled-places", "Class names or templates contain braces, such as {} or {name}, which vlmbench does not fill."
)
TEXTS_CUT = Code(
    "texts-cut",
    "Prompts have more tokens (start and end tokens included) than the model reads. Their ends were cut off.",
)
CAPTIONS_CUT = Code(
    "captions-cut",
    "Captions have more tokens (start and end tokens included) than the model reads. Their ends were cut off.",
    not_strict="The captions are given, and published numbers were computed with cut captions too.",
)
INDISTINCT_CLASSES = Code(
    "indistinct-classes",
    "Classes with different names have the same tokens, so the model cannot tell them apart.",
)
SPLIT_LABELS = Code(
    "split-labels",
    "Labels have a full stop or a question mark inside, at which the model splits phrases. The parts of such a label "
    "do not see each other.",
)
TEMPLATE_IN_LABELS = Code(
    "template-in-labels",
    "All labels begin with the same words, such as a template's, but the detector's authors use bare class names.",
    not_strict="The task card or the user chose the template.",
)
TASK_CUT = Code(
    "task-cut",
    "The detector reads a task that names all labels. The text of the task was cut, so it names only the first labels.",
    not_strict="The library and the authors cut it too, and every label is also read by itself.",
)
NO_CONFIDENCE = Code(
    "no-confidence",
    "The detector gives no confidences. All scores are 1, so average precision depends on the order of the boxes "
    "alone.",
    unranked=True,
    not_strict="It is a property of the model. Every such record has this remark.",
)
SHARED_WORDS = Code("shared-words", "Words belong to more than one class. They count for the first of these classes.")

# Metrics.
NO_VALUE = Code("no-value", "The task's main metric has no value, because the data or the model cannot define it.")
UNSCORED_CLASSES = Code("unscored-classes", "Classes occur in no image. They do not count in the mean.")
NO_INTERVALS = Code(
    "no-intervals",
    "The evaluator gives no intervals and no results for single classes.",
    not_strict="The number is correct, and the user or the card chose the evaluator.",
)
SETTING_UNUSED = Code("setting-unused", "A field of the protocol was set, but this question does not use it.")

# Models.
RANDOM_WEIGHTS = Code(
    "random-weights", "The weights are random, so the number says nothing about a trained model.", unranked=True
)
ACTIVATION_ASSUMED = Code("activation-assumed", "The activation that the weights were trained with is unknown.")
ACTIVATION_CORRECTED = Code(
    "activation-corrected",
    "The architecture's activation differs from the one that the weights were trained with. vlmbench used the latter.",
)
ACTIVATION_MISMATCH = Code(
    "activation-mismatch",
    "The user chose an activation that differs from the one that the weights were trained with.",
    unranked=True,
)
TRANSFORM_ASSUMED = Code("transform-assumed", "The image transform that the weights were trained with is unknown.")
TRANSFORM_TAKEN = Code("transform-taken", "The image transform comes from what vlmbench knows about these weights.")
POSITIONS_INTERPOLATED = Code(
    "positions-interpolated", "Positional embeddings were interpolated to a size that differs from training."
)
UNUSED_WEIGHTS = Code("unused-weights", "The checkpoint has weights that the model does not use.")
SEVERAL_WEIGHTS = Code(
    "several-weights", "A file or folder contains several sets of weights for the model. One of them was loaded."
)
MISSING_WEIGHTS = Code("missing-weights", "The checkpoint lacks a weight. The library's fixed value was used.")
SCALE_ASSUMED = Code(
    "scale-assumed",
    "The model's files state no logit scale, so a usual factor was used. Confidences and calibration depend on it, and "
    "rankings do not.",
)
UNVERIFIED_FAMILY = Code(
    "unverified-family",
    "vlmbench does not know the model's family. It called the library's own feature functions, and no test compares "
    "its features with the authors'.",
    everywhere=True,
)
CASE_KEPT = Code("case-kept", "The tokenizer keeps upper case, but this model family was trained on lower-case text.")
NO_IDENTITY = Code(
    "no-identity",
    "The model was an object in memory without a stated identity. vlmbench used no cached feature and no earlier "
    "record.",
    not_strict="The number is complete. Only the work was done again.",
    everywhere=True,
)
WEIGHTS_PRECISION = Code(
    "weights-precision",
    "The model was an object in memory with 16-bit weights, and it ran in 16 bits.",
    not_strict="The user gave the model in this type.",
    everywhere=True,
)
SEVERAL_MODELS = Code(
    "several-models",
    "The results folder has records of several models with this name. The newest model has the name. An older model "
    "has a row of its own, unless the newest model has answered all of its questions.",
    not_strict="Tables make this remark; `run` never writes it.",
    everywhere=True,
)
ONE_BY_ONE = Code(
    "one-by-one",
    "The graph takes one image or text at a time, so each was encoded alone.",
    not_strict="The numbers are correct. Only the speed changes.",
    everywhere=True,
)
BATCH_DEPENDENT = Code(
    "batch-dependent",
    "The features of an image or text depend a little on the others in its batch, as with dynamic quantisation.",
    everywhere=True,
)
OWN_PRECISION = Code(
    "own-precision",
    "The user asked for a reduced precision, but the model is a graph that computes in the types of its file.",
    everywhere=True,
)
LIBRARY = Code("library", "The library that loaded the model logged a warning.")

# The machine.
OUT_OF_MEMORY = Code(
    "out-of-memory",
    "A batch did not fit into memory. vlmbench halved it.",
    not_strict="The size of a batch changes numbers only by rounding.",
)
FEATURE_CACHE = Code(
    "feature-cache",
    "The feature cache was broken, full or not usable.",
    not_strict="Features are computed again, so no number changes.",
)
WARNING = Code("warning", "Code outside vlmbench, or code without a remark of its own, gave a warning.")

CHOICES = frozenset(
    code.name
    for code in (
        SUBSET,
        SEED,
        PRECISION,
        SETTING,
        READOUT,
        TRANSFER,
        OWN_CLASS_NAMES,
        OWN_TEMPLATES,
        IMPORTED,
        ANSWERS_GIVEN,
    )
)
"""The codes of how a question was asked. The record's fields state it too. All other codes are of what happened."""
FROM_FIELDS = CHOICES | {BAD_SAMPLES.name, NO_VALUE.name}
"""The codes that :mod:`vlmbench.asked` makes from a record's fields, for records of every version."""
CODES: Mapping[str, Code] = {code.name: code for code in list(vars().values()) if isinstance(code, Code)}
"""Every code by its name."""


def is_strict(remark: Remark) -> bool:
    """Whether ``--strict`` makes this remark an error. An unknown code, such as another package's, is strict."""
    code = CODES.get(remark.code)
    return code is None or not code.not_strict
