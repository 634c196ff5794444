"""What both programs are given to read."""

from __future__ import annotations

import PIL.Image
from peer import write_shards
from side_by_side import Way, take_turns
from whole_tasks import Task

from vlmbench import load_task
from vlmbench.data.base import SourceContext
from vlmbench.data.open import open_dataset


def test_both_read_the_same_images_words_and_labels(tmp_path):
    images = []
    for index, suffix in enumerate(("png", "JPEG", "jpg")):
        path = tmp_path / f"{index}.{suffix}"
        PIL.Image.new("RGB", (4, 4), (index, 0, 0)).save(path)
        images.append((path, index % 2))
    task = Task("task", images, ["cat", "dog"], ["a {c}.", "the {c}"])
    card = load_task(str(task.write(tmp_path / "data", shards=2)))
    dataset = open_dataset(card.sources, SourceContext())
    read = {(dataset.read(index), dataset.samples[index].target) for index in range(3)}
    assert read == {(path.read_bytes(), label) for path, label in images}
    assert (dataset.classes, dataset.templates) == (("cat", "dog"), ("a {c}.", "the {c}"))
    assert task.prompts == ["a cat.", "the cat", "a dog.", "the dog"]


def test_templates_of_other_writing_are_turned_into_the_peers(tmp_path):
    write_shards(tmp_path, [], ["cat"], ["a {}."])
    assert (tmp_path / "zeroshot_classification_templates.txt").read_text() == "a {c}.\n"


def test_a_way_may_take_its_own_time():
    own = Way("own", lambda: 3.0, scale=10, clock=lambda result: result)
    (timing,) = take_turns([own], 2)
    assert timing.seconds == (30.0, 30.0)
