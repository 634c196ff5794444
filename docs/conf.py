"""How Sphinx builds the site: ``sphinx-build -W -n -b html docs site`` (``pip install -e '.[docs]'``)."""

from __future__ import annotations

import sys
from pathlib import Path

from vlmbench._version import __version__

sys.path.insert(0, str(Path(__file__).with_name("_ext")))

project = "vlmbench"
author = "the vlmbench authors"
release = version = __version__
html_title = "vlmbench"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "generated",
]
exclude_patterns = ["demo_clip", "_build", "_ext", "_static"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# A block such as `yaml gate.yaml` names a file behind the language, and some examples show two languages at once.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
# The site opens from a file: no page asks another server for a font, a script or a picture.
copybutton_prompt_text = "$ "

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
# A part of pydantic's annotations, which is no name.
nitpick_ignore_regex = [("py:class", r"func=.*")]
