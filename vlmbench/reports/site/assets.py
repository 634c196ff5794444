"""Finds the site's scripts and styles: vlmbench's own, and those of other projects with their licences.

The leaderboard copies them, and ``vlmbench show`` puts them into its page.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from vlmbench.errors import install_command

HERE = Path(__file__).parent
_SOURCE_MAP = re.compile(rb"\n//# sourceMappingURL=[^\n]*\s*$")
"""A link to a file that the site does not have; a browser's developer tools would ask for it."""


def assets() -> dict[str, bytes]:
    """The files by their names in the site. Without plotly, the files that draw charts are left out."""
    own = {path.name: path.read_bytes() for path in sorted((HERE / "assets").iterdir()) if path.is_file()}
    vendor = HERE / "vendor"
    table = (vendor / "table-core.js").read_bytes()
    licences = {f"{path.name}.txt": path.read_bytes() for path in sorted(vendor.glob("*.LICENSE"))}
    others = {"table-core.js": table}
    if script := plotly_script():
        others["plotly.min.js"] = script.read_bytes()
    else:
        del own["plots.js"], licences["plotly.LICENSE.txt"]
    return own | licences | {name: _SOURCE_MAP.sub(b"\n", content) for name, content in others.items()}


def plotly_script() -> Path | None:
    """The file plotly.js of the package plotly, found without importing the package; None if it is not installed."""
    spec = find_spec("plotly")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path
    return None


def without_charts() -> str | None:
    """Why a site that is built here has no charts, and the command that adds them; None if it has charts."""
    if plotly_script():
        return None
    return f"the leaderboard has no charts: they need plotly, which is not installed ({install_command('plotly')})"
