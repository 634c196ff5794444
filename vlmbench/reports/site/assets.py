"""The site's scripts and styles: ours, and those of other projects in their own files with their licences."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from vlmbench.errors import MissingDependencyError

HERE = Path(__file__).parent
_SOURCE_MAP = re.compile(rb"\n//# sourceMappingURL=[^\n]*\s*$")
"""A browser's tools would ask for a file that is not there."""


def assets() -> dict[str, bytes]:
    """File names in the site to contents.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    own = {path.name: path.read_bytes() for path in sorted((HERE / "assets").iterdir()) if path.is_file()}
    vendor = HERE / "vendor"
    table = (vendor / "table-core.js").read_bytes()
    licences = {f"{path.name}.txt": path.read_bytes() for path in sorted(vendor.glob("*.LICENSE"))}
    others = {"table-core.js": table, "plotly.min.js": plotly_script().read_bytes()}
    return own | licences | {name: _SOURCE_MAP.sub(b"\n", content) for name, content in others.items()}


def plotly_script() -> Path:
    """plotly.js, as the package plotly carries it; found without importing that package.

    Raises:
        MissingDependencyError: it is not installed.
    """
    spec = find_spec("plotly")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path
    raise MissingDependencyError(
        "the leaderboard's plots need plotly, which is not installed", hint="pip install 'vlmbench[site]'"
    )
