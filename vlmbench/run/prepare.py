"""Loads the weights and lists the data that a run needs, before the run. The command ``fetch`` uses it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vlmbench.cards import ROLES, ModelCard, Role
from vlmbench.data.hub.fetch import Wanted
from vlmbench.errors import UsageError, VlmbenchError, unexpected
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions
from vlmbench.run.names import resolve_models, resolve_tasks
from vlmbench.run.opened import source_context
from vlmbench.run.plan import check_data_root, check_task
from vlmbench.storage.base import Location
from vlmbench.tasks import task_plugin
from vlmbench.tasks.base import TaskOptions
from vlmbench.wording import listed


@dataclass(frozen=True)
class ModelOutcome:
    """The result for the weights of one model.

    Attributes:
        parameters: the number of parameters of the loaded model; None if it could not be loaded.
        problem: why it could not be loaded.
    """

    name: str
    parameters: int | None = None
    problem: VlmbenchError | None = None


def wanted_tasks(names: Iterable[str], data_root: Location | None, roles: Sequence[Role] = ("test",)) -> list[Wanted]:
    """The tasks with these names, with the kind of target that the plugin needs: one entry for each role.

    Args:
        roles: the roles that are wanted. A task whose card does not state one of them has no entry for it.

    Raises:
        UsageError, UnknownNameError, CardError, PluginError: the request is wrong, or no task has a role's data.
    """
    check_data_root(data_root)
    wanted = []
    cards = resolve_tasks(names)
    for card in cards:
        plugin = task_plugin(card.plugin)
        check_task(card, plugin, TaskOptions())
        context = source_context(card, plugin, data_root)
        wanted += [Wanted(card, context, role) for role in card.sources_by_role if role in roles]
    found = {each.role for each in wanted}
    if cards and (absent := [role for role in roles if role not in found]):
        raise UsageError(f"none of these tasks has {listed(absent, 'or')} data", hint="Leave it out of --roles.")
    return wanted


def roles_left_out(wanted: Iterable[Wanted]) -> list[Role]:
    """The roles besides the test role that cards of these tasks state and that are not wanted of any of them."""
    every = list(wanted)
    stated = {role for each in every for role in each.card.sources_by_role}
    return [role for role in ROLES if role != "test" and role in stated - {each.role for each in every}]


def wanted_models(names: Iterable[str]) -> tuple[ModelCard, ...]:
    """The models with these names.

    Raises:
        UsageError, UnknownNameError, CardError, PluginError: the request itself is wrong.
    """
    models = resolve_models(names)
    for model in models:
        ADAPTERS.get(model.adapter)
    return models


def fetch_model(card: ModelCard, *, trust_remote_code: bool) -> ModelOutcome:
    """Load a model once on the CPU. Its weights stay in the cache."""
    options = LoadOptions(device="cpu", trust_remote_code=trust_remote_code)
    try:
        model = ADAPTERS.get(card.adapter)(card, options)
    except Exception as error:  # a bug in an adapter
        return ModelOutcome(card.name, problem=unexpected(error))
    return ModelOutcome(card.name, parameters=model.identity.parameters)
