"""Lists facts about models, datasets and protocols, as names and values for the leaderboard's pages."""

from __future__ import annotations

from vlmbench.cards import TaskCard
from vlmbench.reports.facts import count
from vlmbench.reports.site.model_page import Facts, ModelPage
from vlmbench.wording import speed_text


def model_details(page: ModelPage) -> Facts:
    """The facts above the results on a model's page."""
    heading, card = page.heading, page.card
    speeds = [f"{speed_text(speed)} images a second ({device})" for device, speed in heading.speeds.items()]
    return _known(
        ("objective", heading.objective),
        ("framework", card.framework if card else None),
        ("architecture", card.architecture if card else None),
        ("image encoder", heading.image_encoder),
        ("text encoder", heading.text_encoder),
        ("training data", heading.data),
        ("data size", heading.data_size),
        ("samples seen", card.samples_seen if card else None),
        ("parameters", None if heading.parameters is None else count(heading.parameters)),
        ("GFLOPs", None if heading.gflops is None else f"{heading.gflops:,.1f}"),
        ("throughput", "\n".join(speeds)),
        ("loaded by", f"{card.adapter}: {card.spec}" if card and card.runnable else None),
        ("weights", ", ".join(filter(None, [card.weights, card.weights_at])) if card else None),
        ("licence", card.licence if card else None),
        ("paper", card.paper if card else None),
    )


def dataset_details(card: TaskCard) -> Facts:
    """The facts about a task's dataset."""
    return _known(
        ("samples", f"{card.samples:,}" if card.samples else None),
        ("classes", f"{len(card.classes):,}" if card.classes else None),
        ("read from", "\n".join(f"{source.kind}: {source.location}" for source in card.sources)),
        ("licence", card.licence),
        ("citation", card.citation),
    )


def protocol_details(card: TaskCard) -> Facts:
    """The facts about a task's protocol."""
    return _known(
        ("kind", card.plugin),
        ("version of the card", str(card.version)),
        ("metrics", ", ".join(card.metrics)),
        ("main metric", card.main_metric),
        ("several labels", "yes" if card.multi_label else None),
        ("prompts", f"{len(card.templates):,}" if card.templates else None),
        *((name.replace("_", " "), str(value)) for name, value in card.protocol.items()),
    )


def _known(*pairs: tuple[str, str | None]) -> Facts:
    return tuple((name, value) for name, value in pairs if value)
