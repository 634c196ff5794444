"""How Sphinx builds the site: ``sphinx-build -W -b html docs site`` (``pip install -e '.[docs]'``)."""

from __future__ import annotations

from vlmbench._version import __version__

project = "vlmbench"
author = "the vlmbench authors"
release = version = __version__
html_title = "vlmbench"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["demo_clip", "_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_theme_options = {"source_repository": "", "navigation_with_keys": True}
html_show_copyright = False
html_copy_source = False

autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
