"""Results and data in places that are not folders of this machine, such as object storage; reached through fsspec."""
