"""`dampen search`, `studies` and `show`: what they print, write and refuse."""

import functools
import json
import os
import shlex
import subprocess
import sys

import commands
import numpy as np
import pytest
from tabular_sets import wine

from dampen import DampenError, Settings, load_model
from dampen.cli.searching import data_as_typed, recalled, spelled
from dampen.recipe_file import load_training
from dampen.study.found import SearchResult
from dampen.study.space import Narrowing
from dampen.study.store import Store

TABLE = ("search", "wine.csv", "--target", "kind", "--drop", "ash", "--hidden", "8")
SHORT = ("--budget", "6", "--epochs", "4", "--seeds", "2", "--precision", "float32", "--with", "WeightDecay")
SPACE = 'preset = "cocktail"\nwith = ["MixUp"]\nwithout = ["SWA"]\n[range]\n"MixUp.alpha" = [0.1, 0.5]\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    wine().write_csv(folder / "wine.csv")
    (folder / "space.toml").write_text(SPACE)
    (folder / "bad.toml").write_text("presets = 'quick'")
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return functools.partial(commands.run, folder)


@pytest.fixture(scope="module")
def searched(run):
    return run(*TABLE, *SHORT, "--json", "answer.json")


def test_a_search_prints_what_it_found_in_80_columns_and_nothing_on_stderr(searched):
    code, out, err = searched

    assert (code, err) == (0, "")
    for words in (
        "wine: 178 rows",
        "study-1 searches within 6 configurations: about ",
        "baseline",
        "default",
        "found 1",
    ):
        assert words in out, words
    table = out[: out.index("In Python")]
    wide = [line for line in table.splitlines() if len(line) > 80 and ".dampen" not in line]
    assert [line for line in wide if not line.startswith("wine: ")] == []
    assert "\x1b" not in out


def test_the_time_and_the_space_are_told_before_it_begins(searched):
    out = searched[1]

    assert out.index("WeightDecay          always") < out.index("about ") < out.index("best of the search")


def test_the_json_file_is_the_answer(searched, folder):
    record = json.loads((folder / "answer.json").read_text(), parse_constant=lambda name: pytest.fail(name))

    result = SearchResult.from_record(record)

    assert result.to_record() == record
    assert str(result) in searched[1]
    named = [leader["recipe"] for leader in record["leaders"] if leader["recipe"] not in ("baseline", "default")]
    assert named
    assert all("WeightDecay" in recipe for recipe in named)


def test_recipe_and_network_are_written_beside_the_study(searched, folder):
    result = SearchResult.from_record(json.loads((folder / "answer.json").read_text()))

    recipe, settings = load_training(folder / ".dampen" / "study-1" / "recipe.toml")
    loaded = load_model(folder / ".dampen" / "study-1" / "model.safetensors")

    assert recipe == result.recipe == loaded.recipe
    assert isinstance(settings, Settings)
    assert (settings.epochs, settings.model.hidden) == (4, (8,))
    np.testing.assert_allclose(max(result.scores[result.winner]["validation"]), loaded.scores["validation"]["metric"])


def test_the_command_that_trains_with_the_recipe_runs_as_it_is_printed(searched, run):
    """With the target, and the columns left out."""
    (line,) = [line for line in searched[1].splitlines() if "Train with it: dampen " in line]

    code, out, err = run(*shlex.split(line.partition("Train with it: dampen ")[2]))

    assert (code, err) == (0, "")
    assert "On the test part, " in out


def test_studies_lists_it_and_show_prints_it_again(searched, run):
    _, listed, _ = run("studies")
    code, shown, err = run("show", "study-1", "--json", "shown.json")

    assert listed.startswith("study-1          done           8 trials  wine: 178 rows")
    assert (code, err) == (0, "")
    (start,) = [searched[1].index(words) for words in ("best of the search",)]
    assert shown.splitlines()[:5] == searched[1][start:].splitlines()[:5]
    assert "[[techniques]]" in shown or "[optimizer]" in shown
    assert [line for line in listed.splitlines()[1:] if len(line) > 80] == []


def test_what_is_shown_is_what_was_answered(searched, folder, run):
    run("show", "study-1", "--json", "shown.json")

    assert json.loads((folder / "shown.json").read_text()) == json.loads((folder / "answer.json").read_text())


def test_a_space_file_narrows_the_search_and_the_study_keeps_it(run, folder):
    code, out, err = run(
        *TABLE, "--budget", "3", "--epochs", "2", "--seeds", "1", "--space", "space.toml", "--storage", "s.db"
    )

    assert (code, err) == (0, "")
    assert "MixUp                always    alpha 0.1 to 0.5" in out
    assert "SWA" not in out
    assert "Again: dampen show study-1 --storage s.db" in out
    assert Store(folder / "s.db").about("study-1")["command"]["space"] == "space.toml"


def test_options_are_spelled_as_search_takes_them():
    said = {
        "data": "digits",
        "budget": "5m",
        "seeds": 3,
        "sampler": "grid",
        "epochs": 7,
        "batch_size": 8,
        "metric": None,
    }
    said |= {
        "metric": None,
        "outer": 1,
        "seed": 2,
        "ablation": False,
        "data_curve": True,
        "preset": "all",
        "with_": ["EMA"],
    }
    said |= {"without": ["SWA"], "range_": ["MixUp.alpha=0.1:0.5"], "space": None}

    told = spelled(said)

    assert (told["preset"], told["always"], told["without"]) == ("all", ("EMA",), ("SWA",))
    assert told["ranges"] == {"MixUp.alpha": (0.1, 0.5)}
    own = ("budget", "seeds", "sampler", "epochs", "batch_size", "metric", "outer", "seed", "ablation", "data_curve")
    assert {name: told[name] for name in own} == {name: said[name] for name in own}


@pytest.mark.parametrize("beside", [{"with_": ["EMA"]}, {"without": ["EMA"]}, {"range_": ["A.b=1"]}, {"preset": "all"}])
def test_a_space_file_stands_alone(folder, beside):
    own = ("budget", "seeds", "sampler", "epochs", "batch_size", "metric", "outer", "seed", "ablation", "data_curve")
    said = {**dict.fromkeys([*own, "with_", "without", "range_"]), "data": "digits", "preset": Narrowing.preset}

    with pytest.raises(DampenError, match=r"^--space must stand alone; got --preset, --with, --without or --range"):
        spelled({**said, "space": folder / "space.toml", **beside})


def test_data_are_typed_again_with_all_that_was_said_of_them():
    said = {
        "data": "a b.csv",
        "target": "y",
        "task": None,
        "group": "g",
        "time": None,
        "text": None,
        "drop": ["p", "q r"],
    }
    said |= {"categorical": [], "categories": "embed", "scale": "standard", "skip_broken": True}

    expected = "'a b.csv' --target y --group g --drop p --drop 'q r' --categories embed --skip-broken"
    assert data_as_typed(said) == expected


def test_a_study_that_began_in_python_is_not_gone_on_with_here(tmp_path):
    Store(tmp_path / "s.db").create("mine", higher_is_better=True, about={})

    with pytest.raises(DampenError, match=r"^The study 'mine' must have begun at the command line to go on there"):
        recalled("mine", str(tmp_path / "s.db"), {"data": None})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search"], "dampen search must be told what data; got none. Try: dampen search digits"),
        (["search", "digit"], "DATA must be a built-in name, a file or a folder; got 'digit', which does not exist."),
        (
            ["search", "digits", "--budget", "0"],
            "A budget must be a whole number above 0 and at most ",
        ),
        (["search", "digits", "--budget", "soon"], "A budget must read like 5m (time), 64 (configurations) or 40x"),
        (
            ["search", "digits", "--budget", "2x"],
            "The budget must hold one configuration, the baseline ",
        ),
        (["search", "digits", "--preset", "quik"], "Unknown preset 'quik'. Did you mean 'quick'?"),
        (["search", "digits", "--with", "Mixup"], "Unknown technique 'Mixup'. Did you mean 'MixUp'?"),
        (["search", "digits", "--without", "Mixup"], "Unknown technique 'Mixup'. Did you mean 'MixUp'?"),
        (["search", "digits", "--with", "EMA", "--without", "EMA"], "EMA must be either with or without; got both."),
        (
            ["search", "digits", "--range", "MixUp.alpha"],
            "A range must read like MixUp.alpha=0.1:0.5; got ",
        ),
        (
            ["search", "digits", "--range", "MixUp.alpha=2:1"],
            "The range of MixUp.alpha must go from low to high; ",
        ),
        (
            ["search", "digits", "--range", "MixUp.alpha=0:1", "--range", "MixUp.alpha=0:2"],
            "The range of MixUp.alpha must be given once; got two.",
        ),
        (["search", "digits", "--range", "optimizer.lr=0:1"], "The range of optimizer.lr must start above 0 "),
        (["search", "digits", "--space", "bad.toml"], "Unknown key of a space file 'presets'. Did you mean 'preset'?"),
        (["search", "digits", "--space", "none.toml"], "The space file 'none.toml' cannot be read: No such file"),
        (["search", "digits", "--space", "space.toml", "--with", "EMA"], "--space must stand alone; got "),
        (["search", "digits", "--sampler", "tep"], "Unknown sampler 'tep'. Did you mean 'tpe'?"),
        (["search", "digits", "--seeds", "0"], "seeds must be a whole number, at least 1; got 0."),
        (["search", "digits", "--outer", "-1"], "outer must be a whole number, at least 0; got -1."),
        (["search", "digits", "--json", "no/such/file"], "--json must be a file that can be written; "),
        (["search", "digits", "--out", "no/such/file"], "--out must be a file that can be written; "),
        (["search", "digits", "--storage", "no/such/s.db"], "The file "),
        (["search", "--resume", "study-7", "--storage", "e.db"], "Unknown study 'study-7'."),
        (["search", "digits", "--budgets", "3"], "No such option: --budgets"),
        (["show", "study-7", "--storage", "e.db"], "Unknown study 'study-7'."),
        (["show"], "Missing argument 'study'."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_exit_code_2(run, arguments, message):
    code, out, err = run(*arguments)

    assert (code, out) == (2, "")
    assert err.startswith(f"dampen: {message}")
    assert err.count("\n") == 1


def test_an_empty_storage_says_how_to_begin(run):
    assert run("studies", "--storage", "e.db") == (
        0,
        "There are no studies here yet. Begin one: dampen search digits\n",
        "",
    )


@pytest.mark.parametrize("command", ["search", "studies", "show"])
def test_help_fits_80_columns_and_takes_neither_torch_nor_optuna(command, tmp_path):
    """Its own process: what it has imported by then is printed last."""
    program = (
        "import sys\nfrom dampen.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'optuna', 'sqlalchemy'} & sys.modules.keys()))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, command, "--help"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "80"},
        check=True,
    )

    *lines, imported = done.stdout.splitlines()
    assert imported == "[]"
    assert [line for line in lines if len(line) > 80] == []
    assert f"dampen {command}" in done.stdout.replace("-c ", "dampen ")
