"""A package that knows vlmbench from outside: one of everything that can be added, each found by its entry point."""
