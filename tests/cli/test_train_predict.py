"""`dampen train` and `dampen predict`, in this process: what they print, write and refuse."""

import csv
import functools

import commands
import numpy as np
import pytest
from PIL import Image

import dampen
from dampen import MLP, Dropout, Recipe, Settings, load_model
from dampen.recipe_file import to_toml

TABLE = "n,x,y\n" + "".join(f"{row % 7},{['red', 'blue'][row % 3 % 2]},{'ab'[row % 2]}\n" for row in range(60))
SETTINGS = Settings(MLP((9,)), epochs=2, batch_size=16, seed=4, metric="log_loss", precision="float32", plan={})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("use")
    (folder / "table.csv").write_text(TABLE)
    (folder / "numbers.csv").write_text(TABLE.replace(",a", ",0.5").replace(",b", ",1.5"))
    (folder / "new.csv").write_text("x,n\nred,3\nviolet,5\n")
    (folder / "few.csv").write_text("n\n3\n")
    (folder / "recipe.toml").write_text(to_toml(Recipe(Dropout(0.3)), SETTINGS))
    (folder / "bad.toml").write_text(to_toml(Recipe(), SETTINGS).replace("epochs", "epoch"))
    (folder / "steep.toml").write_text(Recipe((), dampen.SGD(1e30)).to_toml())
    np.savez(folder / "images.npz", X=np.zeros((4, 5, 5), np.uint8))
    data = dampen.open_data(folder / "table.csv", target="y")
    dampen.save_model(dampen.fit(MLP((9,)), data, epochs=1), folder / "model.safetensors")
    (folder / "short.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-9])
    return folder


@pytest.fixture
def run(monkeypatch, folder):
    monkeypatch.chdir(folder)
    return functools.partial(commands.run, folder)


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


# ------------------------------------------------------------------ train


def test_a_recipe_file_says_how_to_train(run, folder):
    code, out, err = run("train", "table.csv", "--target", "y", "--recipe", "recipe.toml", "--out", "trained")

    loaded = load_model(folder / "trained")
    fitted = dampen.fit(MLP((9,)), dampen.open_data("table.csv", target="y"), Dropout(0.3), **SETTINGS.arguments)
    assert (code, err) == (0, "")
    assert loaded.settings == SETTINGS
    assert loaded.recipe == Recipe(Dropout(0.3))
    assert loaded.scores["test"] == fitted.test
    assert loaded.temperature == dampen.temperature(fitted)
    for words in (
        "table: 60 rows",
        "MLP(hidden=(9,), activation='relu'); seed: 4; epochs: 2\nDropout(rate=0.3)\n",
        "log_loss",
        f"{fitted.test['loss']:.4g}",
        "On the test part, 12 rows that it never saw, ",
        "2 epochs in ",
        "dampen predict trained DATA --out FILE.csv",
    ):
        assert words in out, words


def test_options_go_before_what_the_file_says(run, folder):
    run(
        *("train", "table.csv", "--target", "y", "--recipe", "recipe.toml", "--out", "other", "--epochs", "1"),
        *("--batch-size", "8", "--seed", "0", "--hidden", "5,4", "--metric", "accuracy"),
    )

    said = load_model(folder / "other").settings
    assert (said.epochs, said.batch_size, said.seed, said.metric) == (1, 8, 0, "accuracy")
    assert said.model == MLP((5, 4))


@pytest.mark.parametrize("recipe", ["baseline", "default", "Dropout + L2"])
def test_a_recipe_may_be_a_name_or_a_text(run, recipe, folder):
    code, out, err = run("train", "table.csv", "--target", "y", "--recipe", recipe, "--epochs", "1")

    assert (code, err) == (0, "")
    assert ("OneCycle" in out) == (recipe == "default")


def test_numbers_are_scored_as_numbers_and_have_no_temperature(run, folder):
    code, out, _ = run("train", "numbers.csv", "--target", "y", "--recipe", "baseline", "--epochs", "1", "--out", "n")

    assert code == 0
    assert "numbers are off by" in out
    assert "temperature" not in out
    assert load_model(folder / "n").temperature is None
    assert run("predict", "n", "new.csv", "--out", "n.csv")[1] == "2 rows predicted, a number for each: n.csv\n"
    assert rows_of(folder / "n.csv")[0] == ["row", "prediction"]


# ------------------------------------------------------------------ predict


def test_predictions_are_those_of_the_model_in_the_order_of_the_rows(run, folder):
    code, out, err = run("predict", "model.safetensors", "new.csv", "--out", "answer.csv")

    loaded = load_model(folder / "model.safetensors")
    header, *body = rows_of(folder / "answer.csv")
    assert (code, out, err) == (0, "2 rows predicted, one of 2 classes for each: answer.csv\n", "")
    assert header == ["row", "prediction", "probability of a", "probability of b"]
    assert [line[0] for line in body] == ["1", "2"]
    assert [line[1] for line in body] == loaded.predict(folder / "new.csv").tolist()
    shares = np.array([line[2:] for line in body], dtype=np.float32)
    np.testing.assert_allclose(shares, loaded.predict_proba(folder / "new.csv"), rtol=1e-7)


def test_a_target_that_is_there_is_not_looked_at(run, folder):
    run("predict", "model.safetensors", "table.csv", "--out", "with.csv")
    (folder / "other.csv").write_text(TABLE.replace(",a", ",b"))
    run("predict", "model.safetensors", "other.csv", "--out", "without.csv")

    assert (folder / "with.csv").read_text() == (folder / "without.csv").read_text()


def test_images_are_called_by_their_files(run, folder):
    source = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(6):
            pixels = source.integers(0, 255, (6, 6), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.png")

    run("train", "photos", "--model", "cnn", "--recipe", "baseline", "--epochs", "1", "--out", "eyes")
    code, out, _ = run("predict", "eyes", "photos", "--out", "seen.csv")

    assert (code, out) == (0, "12 rows predicted, one of 2 classes for each: seen.csv\n")
    assert [line[0] for line in rows_of(folder / "seen.csv")[:3]] == ["file", "cats/0.png", "cats/1.png"]


# ------------------------------------------------------------------ mistakes

TRAIN = ("train", "table.csv", "--target", "y", "--recipe")
BAD = {
    "no recipe": (TRAIN[:-1], "Missing option '--recipe'. See `dampen --help`."),
    "unknown value": ((*TRAIN, "bad.toml"), "In the recipe file 'bad.toml': Unknown value of [training] 'epoch'. Did"),
    "missing file": ((*TRAIN, "none.toml"), "The recipe file 'none.toml' cannot be read: No such file or directory."),
    "no technique": ((*TRAIN, "Dropot"), "Unknown technique 'Dropot'. Did you mean 'Dropout'?"),
    "no epochs": ((*TRAIN, "baseline", "--epochs", "0"), "epochs must be a whole number, at least 1; got 0."),
    "no seed": ((*TRAIN, "baseline", "--seed", "-1"), "A seed must be a whole number from 0 to 2^32 - 1; got -1."),
    "a text as seed": ((*TRAIN, "baseline", "--seed", "x"), "Invalid value for '--seed'"),
    "no precision": ((*TRAIN, "default", "--precision", "fp16"), "precision must be one of auto, float32, bf16"),
    "nowhere": ((*TRAIN, "baseline", "--out", "no/where"), "--out must be a file that can be written; got 'no/where'"),
    "a network beyond all memory": (
        (*TRAIN, "baseline", "--hidden", "100000000000,1000000"),
        "The model must fit in memory; it does not. Take a smaller one.",
    ),
    "a network of images": ((*TRAIN, "baseline", "--model", "cnn"), "CNN needs images"),
    "layers of a cnn": (
        (*TRAIN, "baseline", "--model", "cnn", "--hidden", "3"),
        "--hidden must not be given with --model cnn. Leave it out.",
    ),
    "diverged": (
        ("train", "table.csv", "--target", "y", "--recipe", "steep.toml", "--epochs", "2", "--out", "diverged"),
        "The training must stay finite; it diverged in epoch ",
    ),
    "no model": (("predict", "none", "new.csv", "--out", "p.csv"), "There must be a file of `save_model` at 'none'; "),
    "a table as model": (
        ("predict", "table.csv", "new.csv", "--out", "p.csv"),
        "The file 'table.csv' must be one of `save_model`; it cannot be read: ",
    ),
    "cut short": (
        ("predict", "short.safetensors", "new.csv", "--out", "p.csv"),
        "The file 'short.safetensors' must be one of `save_model`; it cannot be read: ",
    ),
    "no data": (("predict", "model.safetensors", "now.csv", "--out", "p.csv"), "DATA must be a built-in name, a file "),
    "missing column": (
        ("predict", "model.safetensors", "few.csv", "--out", "p.csv"),
        "The rows must have the columns of the data set; x are not there.",
    ),
    "images for a table": (
        ("predict", "model.safetensors", "images.npz", "--out", "p.csv"),
        "inputs must have shape (rows, 3), as in training; got (4, 1, 5, 5).",
    ),
    "no out": (("predict", "model.safetensors", "new.csv"), "Missing option '--out'."),
    "a folder as out": (("predict", "model.safetensors", "new.csv", "--out", "."), "--out must be a file that can be "),
    "over the data": (
        ("predict", "model.safetensors", "new.csv", "--out", "./new.csv"),
        "--out must be a file of its own; got 'new.csv', which is DATA. Choose another.",
    ),
    "over the model": (
        ("predict", "model.safetensors", "new.csv", "--out", "model.safetensors"),
        "--out must be a file of its own; got 'model.safetensors', which is MODEL. Choose another.",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_one_line_and_exit_code_2_and_nothing_is_written(run, name, folder):
    arguments, message = BAD[name]
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    code, _, err = run(*arguments)

    assert code == 2
    assert err.startswith(f"dampen: {message}")
    assert err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_a_file_that_cannot_be_replaced_leaves_what_was_there(run, folder):
    (folder / "old.csv").write_text("old")

    run("predict", "model.safetensors", "few.csv", "--out", "old.csv")

    assert (folder / "old.csv").read_text() == "old"
