"""The conformance checks. Each thing that a plugin can add has a module with its check; the others are their parts."""
