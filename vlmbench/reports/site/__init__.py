"""The leaderboard as a static site: ``collect`` → ``board`` and pages as plain data → ``render`` → ``folder``."""

from vlmbench.reports.site.build import Built, build_site

__all__ = ["Built", "build_site"]
