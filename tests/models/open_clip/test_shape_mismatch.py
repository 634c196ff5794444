"""Which architecture a checkpoint's shapes are those of."""

import pytest

from vlmbench.models.open_clip.shape_mismatch import guess_architectures


@pytest.mark.parametrize(
    "architecture", ["ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336", "RN50", "RN50x4", "ViT-H-14"]
)
def test_shapes_tell_the_architecture(architecture):
    import open_clip
    import torch

    with torch.device("meta"):
        model = open_clip.create_model(architecture, device="meta", load_weights=False)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert guess_architectures(shapes) == [architecture]
