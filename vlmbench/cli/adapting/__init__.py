"""Parts of ``vlmbench run`` and ``vlmbench methods``: how options are read, and how plans of adapted models are shown."""
