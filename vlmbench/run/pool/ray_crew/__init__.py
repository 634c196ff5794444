"""A crew of actors of a Ray cluster. The executor ``ray`` uses it."""
