"""Answers that were made elsewhere: what every kind of task needs to read them, and to write its own in that form."""
