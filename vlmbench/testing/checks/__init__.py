"""The conformance checks, one file for each kind of thing that can be added."""
