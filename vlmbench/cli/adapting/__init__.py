"""Parts of ``vlmbench run`` and ``methods``: how options are read, and how plans of adapted models are shown."""
