"""Datasets in object storage: webdatasets are streamed, all others are copied to this machine first."""
