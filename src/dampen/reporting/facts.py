"""The facts of a report: every number and every sentence that its page shows, as strict JSON."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from typing import Any

from ..as_python import snippet
from ..diagnosis import Diagnosis, diagnose_answer
from ..diagnosis.advice import BESIDES
from ..errors import DampenError
from ..evidence import verdict
from ..models import architecture
from ..presets import BASELINE
from ..recipe import from_dict
from ..recipe_file import to_toml
from ..records import strict
from ..settings import Settings
from ..study.answers import Answer, check_whole, data_in_commands, data_of
from ..study.comparison import Comparison, versions
from ..study.found import SearchResult
from . import pictures, tables
from .facts_of_studies import comparison_facts, search_facts
from .facts_of_training import training_facts
from .plain import best_of, judged, plain_sections, recommended, section, the_answer
from .words import clean

VERSION = 1
DATA = "DATA"
"""What stands for the data in programs and commands, where their name is not known."""
MOST_EXAMPLES = 1
"""Of so many recipes images are in the page: they are most of its bytes."""
FOUND_OVERFITTING = ("overfitting", "overfitting of the loss")


def report_facts(answer: Answer, notes: str = "", title: str = "") -> dict[str, Any]:
    """answer: of `compare` or `search`. notes: the reader's own, lines become paragraphs.

    of: "comparison" or "search". answer: {"recommendation", "because"}. plain and technical: sections, each {"name",
    "heading", "paragraphs", "items": [{"term", "text"}], "tables", "figures", "codes"}; a figure says which of `drawn`
    it draws, and what it shows in words. diagnoses: per recipe, under "" of the whole. protocol, versions: as in the
    answer.
    Raises `DampenError` where the answer is none, or its parts do not belong together.
    """
    if not isinstance(answer, Answer):
        raise DampenError(f"A report must be of a Comparison or a SearchResult; got {type(answer).__name__}.")
    check_whole(answer)
    shown = (BASELINE, best_of(answer))
    told = {name: all_ for name, all_ in answer.histories.items() if name in shown}  # of others scores alone
    answer = type(answer).from_record(clean(dataclasses.replace(answer, histories=told).to_record()))
    source = data_in_commands(answer.protocol)
    found = diagnose_answer(answer, source) if BASELINE in answer.histories else {}
    drawn = _drawn(answer, found)
    return strict(
        {
            "kind": "dampen report",
            "version": VERSION,
            "of": "comparison" if isinstance(answer, Comparison) else "search",
            "title": clean(title) or f"What helps a network on {data_of(answer.protocol)[0]}?",
            "notes": [clean(line) for line in notes.splitlines() if line.strip()],
            "answer": the_answer(answer),
            "plain": plain_sections(answer, found),
            "technical": _technical(answer, found, drawn, source),
            "footer": f"Made with dampen {versions()['dampen']}.",
            "embedded": "Every number of this page stems from a record in it.",
            "drawn": drawn,
            "diagnoses": {name: found[name].to_record() for name in _shown(answer, found)},
            "protocol": dict(answer.protocol),
            "versions": dict(answer.versions),
        }
    )


def _shown(answer: Answer, found: Mapping[str, Diagnosis]) -> list[str]:
    """The whole, the baseline and the best: what curves and findings are told of."""
    return [name for name in dict.fromkeys(("", BASELINE, best_of(answer) or "")) if name in found]


def _drawn(answer: Answer, found: Mapping[str, Diagnosis]) -> dict[str, Any]:
    """What the figures draw."""
    training = {}
    for name in filter(None, _shown(answer, found)):
        onsets = [f.evidence for f in found[name].findings if f.kind in FOUND_OVERFITTING and "onset" in f.evidence]
        training[name] = training_facts(answer.histories[name], onsets[0] if onsets else None)
    drawn = {"training": training, "examples": dict(list(answer.examples.items())[:MOST_EXAMPLES])}
    if isinstance(answer, Comparison):
        return {"comparison": comparison_facts(answer), **drawn}
    return {"search": search_facts(answer), **drawn}


# ------------------------------------------------------------------ the technical part


def _technical(
    answer: Answer, found: Mapping[str, Diagnosis], drawn: Mapping[str, Any], source: str
) -> list[dict[str, Any]]:
    best = best_of(answer)
    curves = [figure for name, own in drawn["training"].items() for figure in pictures.of_training(name, own)]
    shown = " and ".join(drawn["training"])
    lucky = any(e.recipe == best and verdict(e) == "no evidence" for e in judged(answer))
    proven = f" What {best} has over the baseline may be luck." if lucky else ""
    about = f"Curves of {shown}, {len(next(iter(drawn['training'].values()))['epochs'])} epochs." if curves else ""
    whole = [
        section("results", "Results", [answer.conclusion],
                tables=tables.result_tables(answer), figures=_of_results(drawn)),
        section("curves", "Training, seen closely", [about + (proven if about else "")], figures=curves),
        section("findings", "What the curves tell", items=_findings(answer, found)),
        section("inputs", "Inputs as they are trained on", figures=pictures.of_examples(drawn["examples"])),
        section("on-the-way", "On the way",
                tables=tables.search_tables(answer) if isinstance(answer, SearchResult) else []),
        section("recipe", "The recipe", **_recipe(answer, source)),
        section("protocol", "Protocol", tables=[tables.protocol_table(answer)]),
        section("more", "Seeds, plan and techniques",
                tables=[t for t in (tables.score_table(answer), tables.plan_table(answer),
                                    tables.technique_table(answer)) if t["rows"]]),
    ]  # fmt: skip
    kinds = ("paragraphs", "items", "tables", "figures", "codes")
    return [part for part in whole if any(part[kind] for kind in kinds)]


def _of_results(drawn: Mapping[str, Any]) -> list[dict[str, str]]:
    if "comparison" in drawn:
        return pictures.of_comparison(drawn["comparison"])
    return pictures.of_search(drawn["search"])


def _findings(answer: Answer, found: Mapping[str, Diagnosis]) -> list[dict[str, str]]:
    """One item per finding, the whole first; where there is none, that."""
    items = []
    for name in _shown(answer, found):
        for finding in found[name].findings:
            tried = f" Try: {BESIDES[finding.kind]}." if finding.kind in BESIDES else ""
            command = found[name].command(finding)
            put = f" Put it to the test: {command}" if command else ""
            of = name or "the whole study"
            items.append({"term": f"{of}: {finding.kind} ({finding.severity})", "text": finding.said + tried + put})
        if name and found[name].healthy:
            items.append({"term": f"{name}: nothing stands out", "text": ""})
    return items


def _recipe(answer: Answer, source: str) -> dict[str, Any]:
    """The recommended recipe, or the baseline, as a file and as a program."""
    name = recommended(answer) or BASELINE
    if name not in answer.recipes:
        return {}
    try:
        recipe, settings = from_dict(dict(answer.recipes[name])), _settings(answer.protocol)
    except DampenError:
        return {
            "paragraphs": [f"{name} holds techniques that are not in the catalogue: what it was made with has them."]
        }
    program = snippet(recipe, settings, source)
    shell = (
        f"Save the first text as recipe.toml and train with it: dampen train {source} --recipe recipe.toml, "
        "with the options that your data need. The second does the same in Python."
    )
    python = "The first text is the recipe as a file; the second trains your own network with it in Python."
    stands = f" {DATA} stands for your data." if source == DATA else ""
    return {
        "paragraphs": [f"This is {name}. {shell if settings.model else python}{stands}"],
        "codes": [_code("recipe.toml", to_toml(recipe, settings)), _code("In Python", program)],
    }


def _code(caption: str, text: str) -> dict[str, str]:
    return {"caption": caption, "text": text.rstrip("\n")}


def _settings(protocol: Mapping[str, Any]) -> Settings:
    """A network that is none of ours is left out: its name says nothing that could be run."""
    seeds = protocol.get("seeds") or [0]
    return Settings(
        _network(str(protocol["model"])),
        epochs=protocol["epochs"],
        batch_size=protocol["batch_size"],
        seed=seeds[0],
        metric=protocol["metric"],
        outer=protocol.get("outer"),
    )


def _network(text: str) -> Any:
    """The network that this is the `repr` of; None where it is none of ours."""
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            return None
        values = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return architecture.from_dict({"name": call.func.id, **plain})
    except (SyntaxError, ValueError, DampenError):
        return None
