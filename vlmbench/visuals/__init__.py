"""Pictures of answers: pure functions from images, arrays and names to PNG bytes. They know no model, data or task."""
