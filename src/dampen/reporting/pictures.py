"""Which figures a report shows, what each says in words, and drawing them from their facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..words import counted
from . import figures
from .figures.effects import in_words, level_in_words
from .figures.style import number, percent
from .words import and_

MOST_SPOKEN = 8
"""So many rows of a figure are read out."""


def picture(draw: str, of: str, caption: str, alt: str, key: str = "") -> dict[str, str]:
    """draw: name of the function; of and key: which facts it draws; alt: what it shows, in words."""
    return {"name": f"{draw}-{of}-{key}".strip("-"), "draw": draw, "of": of, "key": key, "caption": caption, "alt": alt}


def drawn(chosen: Mapping[str, str], facts: Mapping[str, Any]) -> str:
    """The figure as one `<svg>` element. facts: the `drawn` of a report's facts."""
    own = facts[chosen["of"]]
    figure = getattr(figures, chosen["draw"])(own[chosen["key"]] if chosen["key"] else own)
    return figures.as_svg(figure, chosen["name"])


def of_comparison(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = facts["recipes"]
    if not rows:
        return []
    metric = facts["metric"]
    told = "; ".join(
        f"{row['recipe']} {in_words(row['effect'], metric)}, from {in_words(row['low'], metric)} to "
        f"{in_words(row['high'], metric)}, {row['verdict']}"
        for row in _finite(rows, "effect", "low", "high")[:MOST_SPOKEN]
    )
    made = [
        picture("forest", "comparison", "Effect of each recipe against the baseline, with 95 % intervals",
                f"Effects, best first: {told}{_and_more(rows)}.")
    ]  # fmt: skip
    costly = _finite(rows, "cost", "effect")
    if costly:
        told = "; ".join(
            f"{row['recipe']} {in_words(row['effect'], metric)} for {row['cost']:.1f}" for row in costly[:MOST_SPOKEN]
        )
        caption = "What each recipe gains and what training with it costs (baseline = 1)"
        made.append(picture("cost_against_gain", "comparison", caption, f"Gain for cost: {told}{_and_more(costly)}."))
    return made


def of_search(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    made = []
    if facts["ablation"]:
        metric = facts["metric"]
        told = "; ".join(
            f"{row['ingredient']} {in_words(row['worth'], metric)}, {row['verdict']}"
            for row in _finite(facts["ablation"], "worth")[:MOST_SPOKEN]
        )
        caption = "What each ingredient of the winner is worth, with 95 % intervals"
        made.append(picture("ablation_bars", "search", caption, f"Worth, most first: {told}."))
    if facts["trials"] and facts["axes"]:
        scores = [trial["score"] for trial in _finite(facts["trials"], "score")]
        best = (max if facts["higher_is_better"] else min)(scores) if scores else None
        reach = f"; the best scored {level_in_words(best, facts['metric'])}" if best is not None else ""
        alt = (
            f"{counted(len(facts['trials']), 'configuration')} over {and_([a['name'] for a in facts['axes']])}{reach}."
        )
        caption = "Every configuration that was tried; the best are drawn over the others"
        made.append(picture("parallel_coordinates", "search", caption, alt))
    return made


def of_training(name: str, facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """name: the recipe, and the key of its facts."""
    made = [
        picture(
            "loss_curves", "training", f"{name}: loss on the training and the validation part", _loss_alt(facts), name
        ),
        picture(
            "overview", "training", f"{name}: loss, weights, norms and overfitting score", _overview_alt(facts), name
        ),
    ]
    if facts["calibration"]:
        known = facts["calibration"]
        alt = (
            f"Over {counted(known['rows'], 'row')} the network's confidence is off by {percent(known['error'])} on "
            f"average (expected calibration error)."
        )
        made.append(picture("reliability", "training", f"{name}: is it as right as it is sure?", alt, name))
    zeros = facts["curves"].get("zeros_fraction")
    if zeros and any(value for value in zeros["high"]):
        last = next(value for value in reversed(zeros["mean"]) if value is not None)
        alt = f"In the end {percent(last)} of the weights are exactly zero."
        made.append(picture("sparsity", "training", f"{name}: weights that are exactly zero", alt, name))
    return made


def of_examples(examples: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        picture("augmented_inputs", "examples", f"What {name} makes of images",
                f"{counted(len(one['before']), 'image')} from the training part, each beside variants of it.", name)
        for name, one in examples.items()
    ]  # fmt: skip


def _loss_alt(facts: Mapping[str, Any]) -> str:
    parts = []
    for name, told in (("train_loss", "training"), ("val_loss", "validation")):
        known = [v for v in facts["curves"].get(name, {"mean": []})["mean"] if isinstance(v, float)]
        if known:
            low = min(range(len(known)), key=known.__getitem__)
            parts.append(
                f"the {told} loss goes from {number(known[0])} to {number(known[-1])}, lowest in epoch {low + 1} at "
                f"{number(known[low])}"
            )
    onset = facts["onset"]
    parts += [f"overfitting begins about epoch {number(onset['epoch'])}"] if onset else []
    return f"Over {counted(len(facts['epochs']), 'epoch')} {'; '.join(parts)}." if parts else "No loss was recorded."


def _overview_alt(facts: Mapping[str, Any]) -> str:
    score = [v for v in facts["curves"].get("overfitting_score", {"mean": []})["mean"] if isinstance(v, float)]
    norm = [v for v in facts["curves"].get("l2", {"mean": []})["mean"] if isinstance(v, float)]
    parts = [f"the L2 norm of the weights goes from {number(norm[0])} to {number(norm[-1])}"] if norm else []
    parts += [f"validation loss over training loss ends at {number(score[-1])}"] if score else []
    return f"Four panels: {' and '.join(parts)}." if parts else "Four panels."


def _finite(rows: Sequence[Mapping[str, Any]], *names: str) -> list[Mapping[str, Any]]:
    """Facts are strict: what is no number is a text or missing."""
    return [row for row in rows if all(isinstance(row[name], int | float) for name in names)]


def _and_more(rows: Sequence[Any]) -> str:
    return f"; and {len(rows) - MOST_SPOKEN} more" if len(rows) > MOST_SPOKEN else ""
