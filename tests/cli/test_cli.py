"""The command `dampen`: its exit code, what it prints where, and that nothing is trained by mistake."""

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from commands import Done, run
from typer.main import get_command

from dampen import CATALOGUE, Comparison, DampenError, Dropout, Recipe
from dampen.cards import card
from dampen.cli import app, main

SHORT = ["compare", "digits", "--recipe", "Dropout", "--seeds", "2", "--epochs", "2", "--json", "answer.json"]
TABLE = b"n,x,y\n" + b"".join(f"{row % 7},{row % 3},{'ab'[row % 2]}\n".encode() for row in range(60))
FILES = {
    "empty.toml": b"",
    "garbage.toml": b"Dropout = (rate 0.3",
    "binary.toml": bytes(range(256)),
    "other.toml": b"title = 'a file of something else'",
    "steep.toml": b"[[techniques]]\nname = 'Dropout'\nrate = 3",
    "good.toml": Recipe(Dropout(0.3)).to_toml().encode(),
    "Dropout": b"a file without the ending .toml is no recipe file",
    "table.csv": TABLE,
    "ragged.csv": TABLE + b"1,2,3,4\n",
    "header.csv": b"n,x,y\n",
    "text.csv": TABLE.replace(b"3,0,a", b"3,?,a", 1),
    "nan.csv": TABLE.replace(b"3,0,a", b"3,nan,a", 1),
    "one.csv": TABLE.replace(b",b", b",a"),
}
BAD = {
    "unknown data set": (
        ["digit"],
        "DATA must be a built-in name, a file or a folder; got 'digit', which does not exist. Did you mean 'digits'?",
    ),
    "missing file": (
        ["tabel.csv"],
        "DATA must be a built-in name, a file or a folder; got 'tabel.csv', which does not exist. Did you mean "
        "'table.csv'?",
    ),
    "no target": (["table.csv"], "target must name the column to predict; 'table.csv' has n, x, y. Name it with "),
    "no such column": (["table.csv", "--target", "z"], "Unknown column 'z'. 'table.csv' has n, x, y."),
    "ragged rows": (
        ["ragged.csv", "--target", "y"],
        "Every row of 'ragged.csv' must have 3 cells, as its header has; ",
    ),
    "a header": (["header.csv", "--target", "y"], "'header.csv' must have rows; it has a header only."),
    "text among numbers": (
        ["text.csv", "--target", "y"],
        "The column 'x' must hold numbers; got text in 1 row, first '?'. ",
    ),
    "nan": (
        ["nan.csv", "--target", "y"],
        "The column 'x' must be finite and below 3e38; got NaN, infinity or more in 1 row. ",
    ),
    "one class": (["one.csv", "--target", "y"], "The target 'y' must have at least two classes; got one, a."),
    "a target of texts as numbers": (
        ["table.csv", "--target", "y", "--task", "numbers"],
        "The target 'y' must hold numbers; got text in 60 rows, first 'a'. ",
    ),
    "a class in one group": (
        ["table.csv", "--target", "x", "--group", "y"],
        "The group 'y' must have at least 3 values, one for each part; got 2.",
    ),
    "options of a table": (
        ["digits", "--target", "y", "--drop", "x"],
        "--target, --drop must not be given with the data set digits. Leave them out.",
    ),
    "unknown network": (
        ["digits", "--model", "rnn"],
        "Unknown model 'rnn'. Did you mean 'cnn'? There are mlp, cnn, residual, transformer, lstm.",
    ),
    "layers of a cnn": (
        ["digits", "--model", "cnn", "--hidden", "8"],
        "--hidden must not be given with --model cnn. Leave it out.",
    ),
    "unknown technique": (
        ["digits", "--recipe", "Dropot"],
        "Unknown technique 'Dropot'. Did you mean 'Dropout'? See `dampen techniques`.",
    ),
    "strength out of range": (
        ["digits", "--recipe", "L2 + Dropout(rate=1.5)"],
        "Dropout.rate must be between 0 and 1; got 1.5.",
    ),
    "technique that does not suit": (
        ["digits", "--hidden", "", "--recipe", "BatchNorm"],
        "BatchNorm needs a model with hidden layers; this problem has none. Leave BatchNorm out.",
    ),
    "two criteria": (
        ["digits", "--recipe", "FocalLoss + FocalLoss(gamma=1)"],
        "FocalLoss and FocalLoss#2 both replace the criterion; keep one.",
    ),
    "zero seeds": (["digits", "--seeds", "0"], "seeds must be at least 1; got 0. "),
    "zero epochs": (["digits", "--epochs", "0"], "epochs must be a whole number, at least 1; got 0."),
    "empty batches": (["digits", "--batch-size", "0"], "batch_size must be a whole number, at least 1; got 0."),
    "empty recipe file": (["digits", "--recipe", "empty.toml"], "The recipe file 'empty.toml' is empty; it must hold "),
    "garbage recipe file": (
        ["digits", "--recipe", "garbage.toml"],
        "In the recipe file 'garbage.toml': A recipe must be TOML; ",
    ),
    "binary recipe file": (
        ["digits", "--recipe", "binary.toml"],
        "The recipe file 'binary.toml' must be text (TOML); it is none.",
    ),
    "wrong recipe file": (
        ["digits", "--recipe", "other.toml"],
        "In the recipe file 'other.toml': A recipe must have [optimizer] or [[techniques]]; got neither. ",
    ),
    "steep recipe file": (
        ["digits", "--recipe", "steep.toml"],
        "In the recipe file 'steep.toml': Dropout.rate must be between 0 and 1; got 3.",
    ),
    "missing recipe file": (
        ["digits", "--recipe", "none.toml"],
        "The recipe file 'none.toml' cannot be read: No such file or directory.",
    ),
    "long recipe": (
        ["digits", "--recipe", " + ".join(["L2(strength=0.0001, convention='half')"] * 8 + ["Dropout(rate=1.5)"])],
        "Dropout.rate must be between 0 and 1; got 1.5.",
    ),
    "no recipe": (["digits", "--recipe", "a bit of dropout"], "A recipe must read like 'Dropout(rate=0.3) + L2'; got "),
    "unknown layer": (["digits", "--recipe", "L2(layers='body.9')"], "Unknown layer 'body.9'. Did you mean 'body."),
    "no layer": (["digits", "--recipe", "L2(layers=3)"], "Layers must be given as paths such as 'head'; got 3."),
    "no site": (
        ["digits", "--recipe", "Dropout(sites=None)"],
        "Layers must be given as paths such as 'head'; got None.",
    ),
    "no schedule": (["digits", "--recipe", "OneCycle(of=3)"], "Unknown strength '3'. OneCycle.of must be one of "),
    "no number": (["digits", "--recipe", "BatchNorm(eps='x')"], "BatchNorm.eps must be a number, at least 0; got 'x'."),
    "hidden layers": (["digits", "--hidden", "128,many"], "--hidden must be whole numbers such as 128,128; got "),
    "no units": (["digits", "--hidden", "128,0"], "MLP.hidden must be whole numbers, at least 1; got (128, 0)."),
    "unknown metric": (["digits", "--metric", "acuracy"], "Unknown metric 'acuracy'. Did you mean 'accuracy'? "),
    "metric of another task": (["digits", "--metric", "r2"], "The metric r2 needs numbers as targets; use accuracy, "),
    "unknown device": (
        ["digits", "--device", "gpu"],
        "device must be one that this machine has, such as 'cpu'; got 'gpu'.",
    ),
    "unknown precision": (
        ["digits", "--precision", "fp16"],
        "precision must be one of auto, float32, bf16; got 'fp16'.",
    ),
    "a folder to write": (
        ["digits", "--json", "."],
        "--json must be a file that can be written; got '.': Is a directory.",
    ),
    "nowhere to write": (
        ["digits", "--json", "no/such/folder.json"],
        "--json must be a file that can be written; got 'no/such/folder.json': No such file or directory.",
    ),
}
OTHERS = {
    "short": SHORT,
    "table": [
        "compare",
        "table.csv",
        "--target",
        "y",
        "--categorical",
        "x",
        "--categories",
        "embed",
        "--scale",
        "quantile",
        "--recipe",
        "MixUp",
        "--seeds",
        "2",
        "--epochs",
        "1",
        "--json",
        "table.json",
    ],
    "plan": [
        *("compare", "table.csv", "--target", "y", "--recipe", "L2", "--seeds", "1", "--epochs", "1"),
        *("--plan", "--precision", "bf16"),
    ],
    "list": ["techniques"],
    "list as json": ["techniques", "--json"],
    "card": ["techniques", "Dropout"],
    "unknown card": ["techniques", "Dropot"],
    "measured card": ["techniques", "Dropout", "--measure"],
    "measured card as json": ["techniques", "L2", "--measure", "--json"],
    "nothing to measure": ["techniques", "--measure"],
    "no such option": ["compare", "digits", "--recipes", "Dropout"],
    "no such command": ["comparr"],
    "no number of seeds": ["compare", "digits", "--seeds", "many"],
    **{f"card of {t.__name__}": ["techniques", t.__name__, "--json"] for t in CATALOGUE},
    **{f"text of {t.__name__}": ["techniques", t.__name__] for t in CATALOGUE},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


class Ran(dict):
    """What each command above did, by its name; it is run when it is first asked for."""

    def __init__(self, folder):
        short = ["--seeds", "2", "--epochs", "1"]  # a mistake that slips through shall not train for minutes
        self.commands = {**{name: ["compare", *short, *arguments] for name, (arguments, _) in BAD.items()}, **OTHERS}
        self.folder = folder

    def __missing__(self, name):
        self[name] = run(self.folder, *self.commands[name])
        return self[name]


@pytest.fixture(scope="module")
def ran(folder):
    return Ran(folder)


def too_wide(text, limit=80):
    return [line for line in text.splitlines() if len(line) > limit]


def strict_json(text):
    def refuse(word):
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


# ------------------------------------------------------------------ mistakes


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_one_line_and_exit_code_2(ran, name):
    code, out, err = ran[name]

    assert err.startswith(f"dampen: {BAD[name][1]}")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert code == 2
    assert "Traceback" not in out + err


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_found_before_anything_is_trained(ran, name):
    assert ran[name].out == ""


def test_an_unknown_technique_has_no_card_and_the_nearest_one_is_offered(ran):
    assert ran["unknown card"] == Done(
        2, "", "dampen: Unknown technique 'Dropot'. Did you mean 'Dropout'? See `dampen techniques`.\n"
    )


@pytest.mark.parametrize("place", [0, 4])
def test_with_debug_a_mistake_shows_its_traceback(folder, place):
    arguments = ["compare", "digits", "--seeds", "0"]
    arguments.insert(place, "--debug")

    with pytest.raises(DampenError, match="seeds must be at least 1; got 0"):
        run(folder, *arguments)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no such option", "No such option: --recipes"),
        ("no such command", "No such command 'comparr'."),
        ("no number of seeds", "Invalid value for '--seeds'"),
    ],
)
def test_a_wrong_word_on_the_command_line_is_exit_code_2_without_a_traceback(ran, name, message):
    code, out, err = ran[name]

    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_the_installed_command_behaves_like_the_one_tested_here(folder):
    (script,) = entry_points(group="console_scripts", name="dampen")
    assert script.load() is main

    done = subprocess.run(
        [sys.executable, "-c", "from dampen.cli import main; main()", "compare", "digits", "--recipe", "empty.toml"],
        capture_output=True,
        text=True,
        cwd=folder,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("dampen: The recipe file 'empty.toml' is empty;")


# ------------------------------------------------------------------ compare


@pytest.fixture(scope="module")
def answer(ran, folder):
    assert ran["short"].code == 0, ran["short"].err
    return strict_json((folder / "answer.json").read_text())


def test_a_short_comparison_prints_its_table_and_nothing_on_stderr(ran):
    code, out, err = ran["short"]

    assert (code, err) == (0, "")
    for word in ("digits: 1797 rows", "baseline", "default", "Dropout", "too few seeds", "answer.json"):
        assert word in out, word
    assert "\x1b" not in out, "no colours where nobody looks"


def test_a_table_is_compared_with_one_command(ran, folder):
    code, out, err = ran["table"]

    record = strict_json((folder / "table.json").read_text())

    assert (code, err) == (0, "")
    assert out.startswith("table: 60 rows, 2 columns (1 numeric by quantiles, 1 categorical embedded), 2 classes\n")
    assert set(record["scores"]) == {"baseline", "default", "MixUp"}


def test_the_plan_is_printed_before_training_and_the_precision_is_the_one_asked_for(ran):
    code, out, err = ran["plan"]

    header, row = out.split("pack  ")[1].splitlines()[:2]

    assert (code, err) == (0, "")
    assert header.split() == ["members", "lift", "precision", "images", "threads", "techniques"]
    assert row.split()[1:4] == ["3", "vmap", "bf16"]


def test_the_table_says_plainly_that_two_seeds_cannot_tell(ran):
    assert "Nothing can be concluded yet" in " ".join(ran["short"].out.split())


def test_the_output_of_compare_fits_80_columns(ran):
    assert too_wide(ran["short"].out) == []


def test_the_answer_is_strict_json_with_everything_in_it(answer):
    names = {"baseline", "default", "Dropout"}

    assert answer["kind"] == "dampen comparison"
    assert names == {*answer["scores"]} == {*answer["recipes"]} == {*answer["histories"]}
    assert {record["recipe"] for record in answer["evidence"]} == names - {"baseline"}
    assert all(record["verdict"] == "no evidence" for record in answer["evidence"])
    assert answer["protocol"]["seeds"] == [0, 1]
    assert answer["protocol"]["tests_opened"] == 6
    assert [[len(h["epochs"]) for h in members] for members in answer["histories"].values()] == [[2, 2]] * 3
    assert answer["plan"]
    assert answer["versions"]["torch"]
    assert not answer["interrupted"]


def test_the_answer_comes_back_as_the_comparison_it_was(answer, ran):
    comparison = Comparison.from_record(answer)

    assert strict_json(json.dumps(comparison.to_record(), allow_nan=False)) == answer
    assert str(comparison) in ran["short"].out, "what is printed is what is stored"


# ------------------------------------------------------------------ techniques


def test_the_list_holds_every_technique_in_its_room(ran):
    code, out, err = ran["list"]

    rooms, here = {}, None
    for line in out.splitlines():
        if line.endswith("/"):
            here = line[:-1]
        elif line.startswith("  ") and line[2] != " ":  # else the summary goes on from the line above
            rooms[line.split()[0]] = here
    assert (code, err) == (0, "")
    assert rooms == {t.__name__: t.__module__.split(".")[-2] for t in CATALOGUE}


def test_the_list_fits_80_columns_and_wraps_what_is_longer(ran):
    words = " ".join(ran["list"].out.split())

    assert too_wide(ran["list"].out) == []
    for technique in CATALOGUE:
        assert f"{technique.__name__} {card(technique)['summary']}" in words


@pytest.mark.parametrize("technique", CATALOGUE, ids=lambda t: t.__name__)
def test_a_card_fits_80_columns(ran, technique):
    code, out, err = ran[f"text of {technique.__name__}"]

    assert (code, err) == (0, "")
    assert too_wide(out) == []


def test_a_card_says_rule_strengths_ranges_paper_and_how_to_try_it(ran):
    out = ran["card"].out

    for words in (
        "Dropout: silence random units",
        "x <- x * keep / (1 - rate)",
        "rate = 0.5           share of units silenced; between 0 and 1; off at 0",
        "hooks     activation",
        "print(dampen.compare(model, data, [recipe], seeds=6))",
        "Srivastava et al.",
        "dampen compare digits --recipe 'Dropout(rate=0.5)'",
    ):
        assert words in out


def test_a_measured_card_ends_with_the_cost_of_a_step_with_and_without_the_technique(ran):
    code, out, err = ran["measured card"]

    card_text, _, table = out.partition("  a training step here")
    assert (code, err) == (0, "")
    assert card_text.rstrip() == ran["card"].out.rstrip()
    assert table.split()[:3] == ["with", "without", "ratio"]
    assert [line.split("  ")[1].strip() for line in table.splitlines()[1:3]] == ["one network", "a pack of 12"]
    assert "digits: 1797 rows" in table
    assert too_wide(out) == []


def test_a_measured_card_is_strict_json(ran):
    record = strict_json(ran["measured card as json"].out)

    assert [cost["members"] for cost in record["cost"]] == [1, 12]
    assert all(cost["ratio"] > 0 for cost in record["cost"])


def test_measuring_nothing_is_a_mistake(ran):
    message = "--measure needs the name of a technique; got none. Use `dampen techniques MixUp --measure`.\n"

    assert ran["nothing to measure"] == Done(2, "", f"dampen: {message}")


@pytest.mark.parametrize("technique", CATALOGUE, ids=lambda t: t.__name__)
def test_a_card_is_strict_json_too(ran, technique):
    code, out, err = ran[f"card of {technique.__name__}"]

    record = strict_json(out)

    assert (code, err) == (0, "")
    assert record["name"] == technique.__name__
    assert record["rule"]
    assert record["source"]
    assert record["hooks"]
    assert record in strict_json(ran["list as json"].out)


# ------------------------------------------------------------------ options are a promise

OPTIONS = {
    "augment": {
        *("in_dir", "out_dir", "--rotation", "--zoom", "--shift", "--shear", "--flip", "--brightness", "--contrast"),
        *("--saturation", "--cutout", "--erasing", "--noise", "--recipe", "--copies", "--seed", "--sheet", "--force"),
        "--skip-broken",
    },
    "compare": {
        "data",
        "--target",
        "--task",
        "--group",
        "--time",
        "--split",
        "--text",
        "--drop",
        "--categorical",
        "--categories",
        "--scale",
        "--skip-broken",
        "--window",
        "--horizon",
        "--model",
        "--recipe",
        "--seeds",
        "--epochs",
        "--batch-size",
        "--hidden",
        "--metric",
        "--tune-lr",
        "--json",
        "--report",
        "--plan",
        "--device",
        "--precision",
    },
    "search": {
        *("data", "--target", "--task", "--group", "--time", "--split", "--text", "--drop", "--categorical"),
        "--categories",
        *(
            "--scale",
            "--skip-broken",
            "--window",
            "--horizon",
            "--budget",
            "--seeds",
            "--preset",
            "--with",
            "--without",
            "--range",
            "--space",
        ),
        *(
            "--sampler",
            "--epochs",
            "--batch-size",
            "--model",
            "--hidden",
            "--metric",
            "--outer",
            "--seed",
            "--ablation",
        ),
        *("--data-curve", "--study", "--resume", "--storage", "--out", "--json", "--report", "--device"),
        "--precision",
    },
    "studies": {"--storage"},
    "show": {"study", "--storage", "--json"},
    "diagnose": {"log", "--json", "--watch", "--storage"},
    "report": {"study", "--out", "--format", "--title", "--notes", "--storage"},
    "train": {
        *("data", "--target", "--task", "--group", "--time", "--split", "--text", "--drop", "--categorical"),
        "--categories",
        *(
            "--scale",
            "--skip-broken",
            "--window",
            "--horizon",
            "--recipe",
            "--epochs",
            "--batch-size",
            "--seed",
            "--model",
            "--hidden",
        ),
        *("--metric", "--precision", "--device", "--out"),
    },
    "predict": {"model", "data", "--out", "--skip-broken"},
    "data": {"folder"},
    "techniques": {"name", "--json", "--measure"},
}


def test_the_commands_and_their_options_are_these():
    """Settings of a study belong into a file or into Python; a new option is a decision, taken here."""
    command = get_command(app)

    assert {name: {o for p in c.params for o in p.opts} for name, c in command.commands.items()} == OPTIONS
    assert {o for p in command.params for o in p.opts} == {"--debug"}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_says_what_it_is(name):
    assert all(parameter.help for parameter in get_command(app).commands[name].params)
