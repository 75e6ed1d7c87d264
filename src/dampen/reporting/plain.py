"""The page for everybody: what was asked, tried and found, in words that need no schooling.

Of effects it says only what `evidence` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..cards import summary_of
from ..diagnosis import KINDS, Diagnosis
from ..evidence import Evidence, on_new_data, plain_sentence, verdict
from ..evidence.verdict import FEWEST_SEEDS, USUAL_SEEDS, would_have_been_noticed
from ..presets import BASELINE, DEFAULT
from ..study.answers import Answer, data_of
from ..study.budget import duration
from ..study.comparison import WITHOUT, Comparison, notes_of
from ..study.found import SearchResult
from ..techniques import CATALOGUE
from ..words import counted
from .words import (
    METRICS,
    and_,
    called,
    names_of,
    network_in_words,
    or_,
    predicted,
    renamed,
)

MOST_TOLD, MOST_EXPLAINED, MOST_UNKNOWN = 3, 7, 7
"""So many gains, changes and open questions are told of, so that it stays one page; the rest of the page has all."""
CHEAPER = 0.2
"""A gain whose training time is so much less, in the baseline's, is worth a word."""
UNFINISHED = "not yet converged"
"""What `notes_of` says of a recipe that was still getting better."""
SEED = "Every training has a number, the seed, that stands for chance: so it can be told what is more than chance."
KEEP = "Keep the network as it is."
WAIT = "Decide nothing yet."


def section(name: str, heading: str, paragraphs: Sequence[str] = (), **parts: Any) -> dict[str, Any]:
    """One heading of the page and what stands below it. parts: items (term and text), tables, figures, codes."""
    said = [" ".join(paragraph.split()) for paragraph in paragraphs if paragraph]
    rest = {kind: list(parts.get(kind, ())) for kind in ("items", "tables", "figures", "codes")}
    return {"name": name, "heading": heading, "paragraphs": said, **rest}


def seeds_of(answer: Answer) -> int:
    if isinstance(answer, SearchResult):
        return int(answer.protocol["seeds_confirmed"])
    return len(answer.protocol["seeds"])


def fewest_seeds(answer: Answer) -> int:
    """Of a search in which time was left, some recipes were trained with more."""
    return min((len(scores["metric"]) for scores in answer.scores.values()), default=seeds_of(answer))


def at_least(answer: Answer) -> str:
    return "at least " if fewest_seeds(answer) < seeds_of(answer) else ""


def judged(answer: Answer, baseline: str = BASELINE) -> list[Evidence]:
    """Against the baseline, the best effect first."""
    return sorted((e for e in answer.evidence if e.baseline == baseline), key=lambda e: -e.effect)


def best_of(answer: Answer) -> str | None:
    """The recipe that the page shows beside the baseline: the winner of a search; of a comparison the one that is
    recommended, else that with the best effect."""
    if isinstance(answer, SearchResult):
        return answer.winner
    return recommended(answer) or next((e.recipe for e in judged(answer)), None)


def recommended(answer: Answer) -> str | None:
    """The recipe to train with: one that is better than the baseline by more than luck. None: nothing is."""
    if seeds_of(answer) < FEWEST_SEEDS:
        return None
    gains = [e.recipe for e in judged(answer) if verdict(e) == "real gain"]
    if isinstance(answer, Comparison) or not gains:
        return gains[0] if gains else None
    worse = any(verdict(e) == "harmful" for e in judged(answer, DEFAULT))
    return DEFAULT if worse else gains[0]


def the_answer(answer: Answer) -> dict[str, str]:
    """What to do, and why."""
    chosen, against = recommended(answer), judged(answer)
    if chosen is not None:
        what = _in_full(answer, chosen)
        last = judged(answer, DEFAULT) if chosen == DEFAULT and isinstance(answer, SearchResult) else against
        why = " ".join(_told(answer, e) for e in last[:1])
        return {"recommendation": f"Train with {what}.", "because": why}
    if seeds_of(answer) < FEWEST_SEEDS or (isinstance(answer, Comparison) and not answer.evidence):
        return {"recommendation": WAIT, "because": answer.conclusion}
    if isinstance(answer, SearchResult) and against:
        return {"recommendation": KEEP, "because": _told(answer, against[0])}
    return {"recommendation": KEEP, "because": answer.conclusion}


def _in_full(answer: Answer, name: str) -> str:
    if isinstance(answer, SearchResult) and name not in (BASELINE, DEFAULT):
        recipe, plain = answer.recipes[name], answer.recipes[BASELINE]
        lr = recipe["optimizer"]["lr"]
        step = [f"a learning rate of {lr:.3g}"] if lr != plain["optimizer"]["lr"] else []
        return f"{name}: {and_([*names_of(recipe), *step])}"
    return called(name, answer.recipes.get(name))


def _told(answer: Answer, evidence: Evidence) -> str:
    start = f"Against the {evidence.baseline}: " if isinstance(answer, SearchResult) else ""
    return start + plain_sentence(evidence)


def plain_sections(answer: Answer, found: Mapping[str, Diagnosis]) -> list[dict[str, Any]]:
    """found: what `diagnose_answer` found, by recipe, under "" of the whole."""
    return [
        section("asked", "What was asked", _asked(answer)),
        section("tried", "What was tried", _tried(answer), items=_explained(answer)),
        section("helps", "What helps", _helps(answer)),
        section("sure", "How sure is that?", _sure(answer)),
        section("costs", "What does it cost?", _costs(answer)),
        section("unknown", "What we do not know", items=[{"term": "", "text": t} for t in _unknown(answer, found)]),
    ]


def _asked(answer: Answer) -> list[str]:
    protocol = answer.protocol
    name, description = data_of(protocol)
    rows, metric = protocol.get("rows", {}), protocol["metric"]
    parts = (
        f"It learned from {counted(rows['train'], 'row')}; {rows['validation']:,} others were watched during training, "
        f"and {rows['test']:,} that it had never seen gave the score: {METRICS.get(metric, metric)}."
        if {"train", "validation", "test"} <= rows.keys()
        else ""
    )
    return [
        f"A network learns from rows of data to say {predicted(protocol)}. It may learn its rows by heart and fail on "
        "others. There are many changes to its training that are meant to prevent this; the question is which of them "
        "help here.",
        f"The data are {name}" + (f" ({description})" if description else "") + f". {parts}",
        f"The network is {network_in_words(protocol['model'])}. It sees its rows {counted(protocol['epochs'], 'time')} "
        "(epochs).",
    ]


def _tried(answer: Answer) -> list[str]:
    seeds, protocol = fewest_seeds(answer), answer.protocol
    if isinstance(answer, SearchResult):
        finalists = [name for name in answer.scores if not name.startswith((WITHOUT, BASELINE, DEFAULT))]
        return [
            f"{counted(protocol['configurations'], 'mixture')} of changes, each with strengths of its own, were tried; "
            f"only the promising were trained to the end. The best of them ({and_(finalists)}) and the default, a "
            f"mixture that many use, were trained again {at_least(answer)}{counted(seeds, 'time')} each, "
            f"beside the baseline, which is "
            f"the network without any of them. {SEED}",
            f"{answer.winner} came out best." + (" It consists of:" if names_of(answer.recipes[answer.winner]) else ""),
        ]
    changes = [name for name in answer.recipes if name != protocol["baseline"]]
    return [
        f"{counted(len(changes), 'change')}, each trained {counted(seeds, 'time')}, beside the {protocol['baseline']}, "
        f"which is the network without any of them, under the same conditions. {SEED}"
        + (f" These are the {MOST_EXPLAINED} best:" if len(changes) > MOST_EXPLAINED else "")
    ]


def _explained(answer: Answer) -> list[dict[str, str]]:
    """What was tried, one half-sentence each, best first."""
    if isinstance(answer, SearchResult):
        techniques = names_of(answer.recipes[answer.winner])
        return [{"term": name, "text": _does(name)} for name in techniques[:MOST_EXPLAINED]]
    items = []
    for e in judged(answer, answer.protocol["baseline"])[:MOST_EXPLAINED]:
        techniques = names_of(answer.recipes[e.recipe])
        told = _does(techniques[0]) if len(techniques) == 1 else f"{and_(techniques)} together"
        items.append({"term": e.recipe, "text": told if techniques else "another optimizer"})
    return items


def _does(name: str) -> str:
    """Of a technique of the catalogue, one half-sentence."""
    known = {technique.__name__: technique for technique in CATALOGUE}
    return summary_of(known[name]) if name in known else "a technique of your own"


def _helps(answer: Answer) -> list[str]:
    if seeds_of(answer) < FEWEST_SEEDS or not answer.evidence:
        return [answer.conclusion]
    if isinstance(answer, SearchResult):
        taken = sorted((e for e in answer.ablation if verdict(e) != "no evidence"), key=lambda e: e.effect)
        told = [plain_sentence(renamed(e, f"Leaving out {e.recipe.removeprefix(WITHOUT)}")) for e in taken]
        apart = [f"Taken apart: {' '.join(told[:MOST_TOLD])}"] if told and recommended(answer) else []
        return [*(_told(answer, e) for e in answer.evidence), *apart]
    table = judged(answer)
    by = {v: [e for e in table if verdict(e) == v] for v in ("real gain", "harmful", "no evidence")}
    gains = " ".join(map(plain_sentence, by["real gain"][:MOST_TOLD]))
    more = len(by["real gain"]) - MOST_TOLD
    harmful = " ".join(plain_sentence(e) for e in by["harmful"][::-1][:2])
    names = or_([e.recipe for e in by["no evidence"]])
    return [
        gains + (f" {more} more helped by more than luck; the table below has them." if more > 0 else "")
        or "Nothing that was tried helped by more than luck.",
        harmful,
        f"Whether {names} helps cannot be told from luck." if names and by["real gain"] else "",
    ]


def _sure(answer: Answer) -> list[str]:
    seeds = seeds_of(answer)
    if not answer.evidence:
        return ["Nothing was judged."]
    if seeds < FEWEST_SEEDS:
        return [f"Not at all: it takes at least {FEWEST_SEEDS} seeds to tell a difference from luck; {seeds} were run."]
    unsure = [e for e in judged(answer) if verdict(e) == "no evidence" and e.detectable > 0]
    noticed = would_have_been_noticed(unsure) if unsure else ""
    gains = sum(verdict(e) == "real gain" for e in judged(answer))
    best = f" Which of the {gains} that helped is best was not tested." if gains > 1 else ""
    each = f"Each number is a mean of {at_least(answer)}{counted(fewest_seeds(answer), 'training')}."
    together = ", all changes taken together" if isinstance(answer, Comparison) else ""
    return [
        f"{each} Something counts as more than luck here only where luck alone would bring it about in at most 1 of 20 "
        f"such studies{together}. “Give or take” says how far off the difference may be, with 95 % certainty."
        + (f" Where nothing was found, {noticed}; smaller gains may have been missed." if noticed else "")
        + best
    ]


def _costs(answer: Answer) -> list[str]:
    costs = {e.recipe: e.cost for e in judged(answer) if e.cost is not None}
    chosen = recommended(answer)
    if chosen is None:
        told = "Keeping the network as it is costs nothing."
        if costs:
            told += f" What was tried takes {_times(min(costs.values()), max(costs.values()))} to train."
    elif chosen in costs:
        told = f"Training with {chosen} takes {_times(costs[chosen], costs[chosen])} as training without."
        gains = [e.recipe for e in judged(answer) if verdict(e) == "real gain" and e.recipe in costs]
        cheapest = min(gains, key=lambda name: costs[name])
        if costs[cheapest] < costs[chosen] - CHEAPER:
            told += f" The cheapest of those that helped is {cheapest}: {costs[cheapest]:.1f} times."
    else:
        told = f"How much longer training with {chosen} takes was not measured."
    seconds = study_seconds(answer.protocol)
    return [told + (f" This whole study took {duration(seconds)}." if seconds else "")]


def _times(low: float, high: float) -> str:
    least, most = f"{low:.1f}", f"{high:.1f}"
    if least == most == "1.0":
        return "as long"
    return f"{least} times as long" if least == most else f"between {least} and {most} times as long"


def study_seconds(protocol: Mapping[str, Any]) -> float:
    """0 where it is not known."""
    seconds = protocol.get("seconds", 0)
    return float(sum(seconds.values()) if isinstance(seconds, Mapping) else seconds)


def _unknown(answer: Answer, found: Mapping[str, Diagnosis]) -> list[str]:
    """What a careful reader keeps in mind, the gravest first."""
    protocol, chosen, seeds = answer.protocol, recommended(answer), seeds_of(answer)
    told = [e for e in judged(answer) if e.recipe == chosen]
    shown = [name for name in dict.fromkeys((BASELINE, best_of(answer) or BASELINE)) if name in found]
    own_notes = answer.notes if isinstance(answer, Comparison) else {n: notes_of(answer.histories[n]) for n in shown}
    notes = {name: notes for name, notes in own_notes.items() if notes}
    said = []
    if isinstance(answer, Comparison) and answer.interrupted:
        said += ["The study was interrupted: some changes were not tried to the end."]
    if overlap := protocol.get("duplicates"):
        said += [f"{overlap} Scores may be too good."]
    for name in shown:
        grave = [f for f in found[name].findings if f.severity == "high"]
        said += [f"The curves of {name} are not as they should be: {KINDS[f.kind]} ({f.kind})." for f in grave]
    for note in dict.fromkeys(note for own in notes.values() for note in own):
        who = and_([name for name, own in notes.items() if note in own])
        better = f"Still getting better when training ended: {who}. With more epochs the order may change."
        said += [better if note == UNFINISHED else f"Of the trainings of {who}, {note}."]
    said += [on_new_data(e) for e in told[:1]]
    if FEWEST_SEEDS <= seeds < USUAL_SEEDS:
        said += [f"With {seeds} seeds only large differences can be told from luck; {USUAL_SEEDS} or more see finer."]
    said += [f"Of the data: {note}" for note in protocol.get("notes", [])[:3]]
    if isinstance(answer, Comparison):
        said += ["Each change was tried as it is written here; at another strength it may do better or worse."]
    ends = "Rows from another source, or from a later time, may behave otherwise."
    return [*[" ".join(text.split()) for text in said if text][: MOST_UNKNOWN - 1], ends]
