"""The leaderboard as a static site, and the page of one record. ``vlmbench leaderboard``, ``demo`` and ``show`` use it.

``collect`` reads the results folder, ``board`` and the page modules make plain data of it, ``render`` makes HTML, and
``folder`` writes the files. ``record_page`` and ``record_html`` make the page of ``vlmbench show``.
"""

from vlmbench.reports.site.build import Built, build_site

__all__ = ["Built", "build_site"]
