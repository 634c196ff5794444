"""Pictures of answers: pure functions from images, arrays and names to PNG bytes.

Runs with ``--save-visuals``, the demo and ``vlmbench show`` draw with them. They know no model, data or task.
"""
