"""Writes a record's page as one HTML file that loads nothing: styles, scripts and pictures are in it.

``vlmbench show`` uses it.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from markupsafe import Markup

from vlmbench.reports.site.assets import HERE
from vlmbench.reports.site.record_page import RecordPage
from vlmbench.reports.site.render import Renderer

_STYLE = "site.css"
_SCRIPTS = ("theme.js", "sortable.js", "page.js")
"""The site's scripts that a single page uses. The first one sets the colours before anything is painted."""


def record_html(page: RecordPage) -> str:
    """The whole file. Only the scripts that are named by their hashes may run."""
    scripts = [(HERE / "assets" / name).read_text("utf-8") for name in _SCRIPTS]
    hashes = [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts]
    shared = {
        "site_title": "vlmbench",
        "style": Markup((HERE / "assets" / _STYLE).read_text("utf-8")),
        "first_script": Markup(scripts[0]),
        "scripts": [Markup(script) for script in scripts[1:]],
        "script_hashes": Markup(" ".join(hashes)),
    }
    return Renderer(shared).page("record.html", {"page": page, "answer": page.answer})
