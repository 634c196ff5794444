"""Parts of the schema of a record. :mod:`vlmbench.records` puts them together."""
