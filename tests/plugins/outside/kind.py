"""A kind of task: does the model say of each image what its label says?"""

from __future__ import annotations

from vlmbench.kinds import TaskKind

KIND = TaskKind(
    name="agreement",
    title="Agreement from outside",
    plugin="outside.question:PLUGIN",
    metrics=("agreement",),
    truth=("wanted",),
    paired="outside.paired:PAIRING",
    hub_task=("image-agreement", "Agreement"),
    place=50,
)
