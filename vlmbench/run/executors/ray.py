"""The executor ``ray``: the workers are actors of a Ray cluster, on all its nodes.

``vlmbench run --executor ray:ADDRESS`` uses it. Ray itself is imported when the run begins.
"""

from __future__ import annotations

from vlmbench.run.executors.base import Executor
from vlmbench.run.pool.arguments import read_options
from vlmbench.run.pool.pool import Pool
from vlmbench.run.pool.ray_crew.cluster import check_form, check_installed
from vlmbench.run.pool.ray_crew.crew import RayCrew


def make_ray(argument: str) -> Executor:
    """See :data:`~vlmbench.run.executors.base.ExecutorFactory`.

    Raises:
        UsageError: the argument is not ``ADDRESS``, ``ADDRESS,OPTION=NUMBER,…`` or ``OPTION=NUMBER,…``.
        MissingDependencyError: Ray is not installed.
    """
    check_installed()
    parts = argument.split(",") if argument else []
    address = parts.pop(0) if parts and "=" not in parts[0] else ""
    options = read_options("ray", parts)
    if address:
        check_form(address)
    return Pool(RayCrew(address, options), options)


EXECUTOR = make_ray
