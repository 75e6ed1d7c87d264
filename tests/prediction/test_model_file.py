"""A trained network on disk: the same bits when it comes back, and one sentence for what is none."""

import json
import struct
import time

import numpy as np
import polars as pl
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import dampen
from dampen import CNN, LSTM, MLP, DampenError, Recipe, ResidualCNN, Transformer, load_model, save_model
from dampen.data.dataset import from_arrays
from dampen.data.tables import load_table
from dampen.presets import as_recipe
from dampen.training.fit import fit_pack
from dampen.training.plan import PackPlan
from dampen.training.problem import Member, Problem
from dampen.worlds import WORLDS

NETWORKS = {
    "mlp": ("blobs", MLP((6, 6))),
    "cnn": ("blobs", CNN((4, 6))),
    "residual": ("blobs", ResidualCNN((4, 6), 1, 2)),
    "transformer of texts": ("words, transformer", Transformer(8, 2, 1, 8)),
    "transformer of series": ("waves", Transformer(8, 2, 2, 8)),
    "lstm of texts": ("words, lstm", LSTM(5, 2)),
    "lstm of series": ("waves", LSTM(5)),
    "mlp of a table": ("cells", MLP((6, 6))),
}
REBUILDING = (
    "BatchNorm",
    "LayerNorm",
    "GroupNorm(num_groups=2)",
    "GhostBatchNorm(ghost_size=8)",
    "SkipConnections",
    "Whitening",
    "Whitening(kind='standardise') + BatchNorm + SkipConnections",
    "WeightNorm",
    "SpectralNorm",
    "WeightStandardization",
    "VariationalDropout",
    "EMA",
    "SWA",
    "MagnitudePruning(sparsity=0.9)",
    "SnapshotEnsemble(num_snapshots=2)",
    "SnapshotEnsemble(num_snapshots=2) + BatchNorm",
    "EarlyStopping(patience_epochs=1)",
    "MaxNorm(max_value=inf)",
)


def trained(data, network, recipe=None, seed=1):
    problem, recipe = Problem(data, network, epochs=2, batch_size=16), as_recipe(recipe)
    members = [Member("", recipe, seed)]
    names = tuple(name for name in recipe.active)
    return fit_pack(problem, members, PackPlan((0,), names, "loop"))[0]


def there_and_back(fitted, tmp_path, **more):
    save_model(fitted, tmp_path / "model", **more)
    return load_model(tmp_path / "model")


def rows_of(fitted):
    return fitted.problem.feed.take(torch.arange(20)[None])[0][0]


def same_predictions(loaded, fitted):
    rows, module = rows_of(fitted), fitted.model()
    with torch.no_grad():
        torch.testing.assert_close(loaded.module(rows), module(rows), rtol=0, atol=0, equal_nan=True)
    ours, theirs = loaded.module.state_dict(), module.state_dict()
    assert list(ours) == list(theirs)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


# ------------------------------------------------------------------ there and back


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_predicts_the_same_bits(name, tmp_path):
    world, network = NETWORKS[name]
    fitted = trained(WORLDS[world].data(), network)

    loaded = there_and_back(fitted, tmp_path)

    same_predictions(loaded, fitted)
    assert loaded.settings == fitted.settings
    assert loaded.recipe == Recipe()
    assert loaded.scores == {"validation": fitted.validation, "test": fitted.test}
    assert not loaded.module.training


@pytest.mark.parametrize("recipe", REBUILDING)
def test_what_a_recipe_builds_or_bakes_comes_back(recipe, tmp_path):
    fitted = trained(WORLDS["blobs"].data(), MLP((8, 8)), recipe)

    loaded = there_and_back(fitted, tmp_path)

    same_predictions(loaded, fitted)
    assert loaded.recipe == as_recipe(recipe)


@pytest.mark.parametrize("recipe", ["BatchNorm", "SkipConnections", "GroupNorm", "Whitening"])
def test_structure_comes_back_in_convolutions_too(recipe, tmp_path):
    fitted = trained(WORLDS["blobs"].data(), ResidualCNN((4, 6), 1, 2), recipe)

    same_predictions(there_and_back(fitted, tmp_path), fitted)


@pytest.mark.parametrize("scale", ["standard", "quantile", "robust", "bins"])
@pytest.mark.parametrize("coding", ["onehot", "embed"])
def test_a_table_with_categories_and_missing_cells_takes_raw_rows(coding, scale, tmp_path):
    source = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "length": [None if row % 7 == 0 else float(row % 5) for row in range(90)],
            "colour": [None if row % 11 == 0 else ["red", "blue", "green"][row % 3] for row in range(90)],
            "weight": source.normal(size=90),
            "kind": [f"kind {row % 2}" for row in range(90)],
        }
    )
    frame.write_csv(tmp_path / "table.csv")
    data = load_table(tmp_path / "table.csv", target="kind", categories=coding, scale=scale)
    fitted = trained(data, MLP((6,)))

    loaded = there_and_back(fitted, tmp_path)

    same_predictions(loaded, fitted)
    assert loaded.signature.schema == data.schema
    assert loaded.classes == ("kind 0", "kind 1")
    expected = np.array(data.classes)[fitted.model()(data.inputs).argmax(1)].tolist()
    for inputs in (frame.drop("kind"), tmp_path / "table.csv", data, data.inputs):
        assert loaded.predict(inputs).tolist() == expected
    unseen = frame[:3].with_columns(pl.lit("violet").alias("colour"))
    assert loaded.predict_proba(unseen).shape == (3, 2)


def test_texts_are_predicted_as_texts(tmp_path):
    texts = [f"{'good fine' if row % 2 else 'bad poor'} film number {row % 7}" for row in range(80)]
    frame = pl.DataFrame({"review": texts, "stars": [row % 2 for row in range(80)]})
    frame.write_csv(tmp_path / "texts.csv")
    data = load_table(tmp_path / "texts.csv", target="stars", text="review")
    fitted = trained(data, Transformer(8, 2, 1, 8))

    loaded = there_and_back(fitted, tmp_path)

    same_predictions(loaded, fitted)
    assert loaded.signature.vocabulary == data.vocabulary
    expected = loaded.predict(data.inputs).tolist()
    for inputs in (texts, frame, tmp_path / "texts.csv"):
        assert loaded.predict(inputs).tolist() == expected
    with pytest.raises(DampenError, match="must have the column of texts, 'review'"):
        loaded.predict(frame.drop("review"))


@pytest.mark.parametrize("columns", [1, 2])
def test_numbers_come_back_in_their_own_units(columns, tmp_path):
    inputs = np.random.default_rng(0).standard_normal((60, 4))
    fitted = trained(from_arrays(inputs, 1000 + 50 * inputs[:, :columns]), MLP((5,)))

    loaded = there_and_back(fitted, tmp_path)

    same_predictions(loaded, fitted)
    assert loaded.classes == ()
    assert loaded.predict(inputs).shape == ((60,) if columns == 1 else (60, 2))
    assert (loaded.predict(inputs) > 500).all()
    with pytest.raises(DampenError, match="this network predicts numbers"):
        loaded.predict_proba(inputs)


def test_images_of_bytes_are_predicted_as_they_were_seen(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (60, 3, 6, 6), dtype=np.uint8)
    fitted = trained(from_arrays(images, np.arange(60) % 3), CNN((4,)))

    loaded = there_and_back(fitted, tmp_path)

    same_predictions(loaded, fitted)
    np.testing.assert_allclose(loaded.predict_proba(images), loaded.predict_proba(images.astype(np.float64)))


def test_probabilities_have_the_temperature_and_the_module_does_not(tmp_path):
    fitted = trained(WORLDS["blobs"].data(), MLP((6,)))
    rows = rows_of(fitted)

    loaded = there_and_back(fitted, tmp_path, temperature=2.5)

    same_predictions(loaded, fitted)
    expected = (fitted.model()(rows) / 2.5).softmax(1).detach().numpy()
    np.testing.assert_allclose(loaded.predict_proba(rows), expected, rtol=1e-6)
    assert np.abs(loaded.predict_proba(rows) - fitted.model()(rows).softmax(1).detach().numpy()).max() > 1e-3


def test_many_rows_are_predicted_in_chunks_with_the_same_answer(tmp_path, monkeypatch):
    fitted = trained(WORLDS["blobs"].data(), MLP((6,)))
    loaded = there_and_back(fitted, tmp_path)
    whole = loaded.predict_proba(fitted.problem.data)
    monkeypatch.setattr("dampen.prediction.trained.EVALUATION_NUMBERS", 7 * 64)

    np.testing.assert_allclose(loaded.predict_proba(fitted.problem.data), whole, rtol=1e-6)


def test_load_weights_reads_a_model_file_too(tmp_path):
    fitted = trained(WORLDS["blobs"].data(), MLP((6,)))
    save_model(fitted, tmp_path / "model")

    fresh = dampen.load_weights(MLP((6,))(fitted.problem.facts_of_all), tmp_path / "model").eval()

    rows = rows_of(fitted)
    torch.testing.assert_close(fresh(rows), fitted.model()(rows), rtol=0, atol=0)


def test_what_is_pruned_stays_small(tmp_path):
    sizes = []
    for recipe in (None, "MagnitudePruning(sparsity=0.95)"):
        save_model(trained(WORLDS["blobs"].data(), MLP((200, 200)), recipe), tmp_path / "model")
        sizes.append((tmp_path / "model").stat().st_size)

    assert sizes[1] < 0.2 * sizes[0]


# ------------------------------------------------------------------ what cannot be saved


def test_a_network_of_ones_own_is_refused_with_what_to_do(tmp_path):
    def mine():
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

    with pytest.raises(DampenError, match=r"got one of your own, mine\. Use save_weights, .* or use export_model"):
        save_model(trained(WORLDS["blobs"].data(), mine), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_technique_of_ones_own_is_refused(tmp_path):
    @dampen.technique
    class Halving:
        share: float = dampen.tunable(0.5, off=1.0, low=0.0, high=1.0, meaning="share of the loss")

        def gradients(self, grads, draws, at):
            return {name: self.share * grad for name, grad in grads.items()}

    fitted = trained(WORLDS["blobs"].data(), MLP((4,)), Recipe(Halving()))

    with pytest.raises(DampenError, match="must get a recipe that a file can hold; Unknown technique 'Halving'"):
        save_model(fitted, tmp_path / "model")


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "1", True])
def test_a_temperature_that_is_none_is_refused(temperature, tmp_path):
    fitted = trained(WORLDS["blobs"].data(), MLP((4,)))

    with pytest.raises(DampenError, match="A temperature must be a finite number above 0"):
        save_model(fitted, tmp_path / "model", temperature=temperature)


def test_a_module_is_no_training(tmp_path):
    with pytest.raises(DampenError, match="save_model takes what `fit` returned"):
        save_model(nn.Linear(2, 2), tmp_path / "model")


# ------------------------------------------------------------------ files that are wrong


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "good"
    save_model(trained(WORLDS["cells"].data(), MLP((6,)), "BatchNorm"), path, temperature=1.5)
    return path


def parts_of(path):
    """(tensors, header) as they stand in the file."""
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata())  # noqa: SIM118


def changed(good, path, tensors=None, told=None, words=None, entries=None):
    """The good file with other tensors, entries of the JSON, words of the recipe or texts of the header."""
    stored, header = parts_of(good)
    about = json.loads(header["about"])
    for place, value in (told or {}).items():
        *above, last = place.split(".")
        inner = about
        for key in above:
            inner = inner[int(key)] if isinstance(inner, list) else inner[key]
        inner[last] = value
    header["about"] = json.dumps(about)
    for old, new in (words or {}).items():
        assert old in header["recipe"]
        header["recipe"] = header["recipe"].replace(old, new)
    save_file({**stored, **(tensors or {})}, path, {**header, **(entries or {})})
    return path


def refused(path):
    began = time.perf_counter()
    with pytest.raises(DampenError) as raised:
        load_model(path)
    assert time.perf_counter() - began < 5, "whatever it asks for"
    assert str(path) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value).replace(str(path), "")


def raw(path, header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short_is_refused(good, share, tmp_path):
    content = good.read_bytes()
    (tmp_path / "short").write_bytes(content[: int(share * len(content))])

    assert "it cannot be read" in refused(tmp_path / "short")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        assert "must be a file of `save_model` at" in refused(path)


@pytest.mark.parametrize("old_form", [False, True])
def test_a_pickle_is_never_opened(old_form, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "it ran"), "w"))

    torch.save({"weight": Bomb()}, tmp_path / "model", _use_new_zipfile_serialization=not old_form)

    assert "it is a pickle, as torch.save writes it, and could run code" in refused(tmp_path / "model")
    assert not (tmp_path / "it ran").exists()


def test_a_header_with_100_000_entries_is_refused_before_it_is_parsed(tmp_path):
    tensors = {f"dense/{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(100_000)}
    entries = {"__metadata__": {str(n): "" for n in range(100_000)}}

    for header in (tensors, entries):
        assert "keys; at most 40,000 are read" in refused(raw(tmp_path / "model", header))


def test_a_header_beyond_all_bounds_is_refused_by_its_length(tmp_path):
    path = raw(tmp_path / "model", b" " * (2**25 + 1))

    assert "its header has 33,554,433 bytes; at most 33,554,432 are read" in refused(path)


@pytest.mark.parametrize("header", [b"", b"{", b"[]", b"{}", b'{"a": 1}', b"\xff\xfe", b'{"__metadata__": {"a": 1}}'])
def test_a_header_that_is_none_is_refused(header, tmp_path):
    refused(raw(tmp_path / "model", header))


def test_weights_alone_and_files_of_others_are_told_apart(good, tmp_path):
    dampen.save_weights(nn.Linear(2, 2), tmp_path / "weights")
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign")

    assert "it holds weights alone. Use `load_weights`" in refused(tmp_path / "weights")
    assert "it is another's" in refused(tmp_path / "foreign")
    other = changed(good, tmp_path / "newer", entries={"dampen model": "2"})
    assert "must be of version 1; it is of another, '2'" in refused(other)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"dense/more": torch.zeros(3)}, "'more' is in the file only"),
        ({"dense/head.bias": torch.zeros(4)}, "'head.bias' has shape (3,) and in the file (4,)"),
        ({"dense/head.bias": torch.zeros(3).double()}, "has type torch.float32 and in the file torch.float64"),
        ({"head.bias": torch.zeros(3)}, "its tensors are not named as dampen names them"),
        ({"mask/head.bias": torch.zeros(1).byte()}, "its tensors are not named as dampen names them"),
        ({"mask/x": torch.zeros(1).byte(), "values/x": torch.zeros(1)}, "cannot be read"),
    ],
)
def test_foreign_tensors_are_refused(good, tensors, said, tmp_path):
    assert said in refused(changed(good, tmp_path / "model", tensors))


def test_a_tensor_too_few_is_refused(good, tmp_path):
    stored, header = parts_of(good)
    del stored["dense/head.bias"]
    save_file(stored, tmp_path / "model", header)

    assert "'head.bias' is not in the file" in refused(tmp_path / "model")


@pytest.mark.parametrize(
    ("shape", "mask", "values", "said"),
    [
        ([3], [0b11000000], 3, "the mask of 'head.bias' does not fit its values"),
        ([3], [0b11000000], 1, "the mask of 'head.bias' does not fit its values"),
        ([3], [0b11000000, 0], 2, "the mask 'mask/head.bias' does not fit its shape"),
        ([3], [0b11110000], 4, "the mask 'mask/head.bias' does not fit its shape"),
        ([10**9, 10**9], [255], 2, "the mask 'mask/head.bias' does not fit its shape"),
        ([-3], [255], 2, "its shapes are none"),
        ("ab", [1], 1, "its shapes are none"),
    ],
)
def test_a_sparse_tensor_must_agree_with_its_mask(good, shape, mask, values, said, tmp_path):
    stored, header = parts_of(good)
    del stored["dense/head.bias"]
    stored |= {"mask/head.bias": torch.tensor(mask).byte(), "values/head.bias": torch.ones(values)}
    shapes = {**json.loads(header["shapes"]), "head.bias": shape}
    save_file(stored, tmp_path / "model", {**header, "shapes": json.dumps(shapes)})

    assert said in refused(tmp_path / "model")


MODEL = 'name = "MLP"\nhidden = [\n    6,\n]\nactivation = "relu"'


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({'"MLP"': '"MPL"'}, "Unknown network 'MPL'. Did you mean 'MLP'?"),
        ({"    6,": "    7,"}, "has shape (7, 11) and in the file (6, 11)"),
        ({"    6,": "    1000000000,"}, "has shape (1000000000, 11) and in the file (6, 11)"),
        ({"    6,": f"    {10**18},\n    {10**18},"}, ""),
        ({"    6,": f"    {10**30},"}, ""),
        ({"    6,": "    6,\n" * 3000}, "Its network must be of the size of its tensors; it is far larger"),
        ({MODEL: 'name = "Transformer"\nnum_layers = 1000000000'}, "Transformer needs texts (token ids) or series"),
        ({MODEL: 'name = "LSTM"\nnum_layers = 1000000000'}, "LSTM needs texts (token ids) or series"),
        ({MODEL: 'name = "CNN"'}, "CNN needs images"),
        ({'"BatchNorm"': '"LayerNorm"', "momentum = 0.1, ": ""}, "is not in the file"),
        ({'"BatchNorm"': '"BathcNorm"'}, "Unknown technique 'BathcNorm'"),
        ({"seed = 1": "seed = -1"}, "A seed must be a whole number"),
        ({"[training.model]": "[training.modell]"}, "Unknown value of [training] 'modell'"),
        ({"[training.model]\n" + MODEL: ""}, "Its recipe must name the network in [training.model]"),
    ],
)
def test_a_network_that_does_not_fit_its_tensors_is_refused_without_being_built(good, words, said, tmp_path):
    assert said in refused(changed(good, tmp_path / "model", words=words))


@pytest.mark.parametrize(
    "words",
    [
        'name = "LSTM"\nhidden = 5\nnum_layers = 1000000000',
        'name = "Transformer"\nwidth = 8\nnum_heads = 2\nnum_layers = 1000000000\nhidden = 8',
        'name = "Transformer"\nwidth = 1000000000000\nnum_heads = 1000000000000\nhidden = 1000000000000',
    ],
)
def test_a_network_of_a_billion_layers_is_refused_soon(words, tmp_path):
    save_model(trained(WORLDS["waves"].data(), LSTM(5)), tmp_path / "good")

    refused(changed(tmp_path / "good", tmp_path / "model", words={'name = "LSTM"\nhidden = 5\nnum_layers = 1': words}))


@pytest.mark.parametrize("argument", ["num_blocks", "num_branches", "kernel"])
def test_a_residual_network_of_a_billion_parts_is_refused_soon(argument, tmp_path):
    save_model(trained(WORLDS["blobs"].data(), ResidualCNN((4,), 1)), tmp_path / "good")
    words = {f"{argument} = 1": f"{argument} = 1000000000"}
    if argument == "kernel":
        words = {"ResidualCNN": "CNN", "num_blocks = 1\nnum_branches = 1": "kernel = 1000000001"}

    refused(changed(tmp_path / "good", tmp_path / "model", words=words))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("signature", {}),
        ("signature.task", "class"),
        ("signature.input_shape", [10]),
        ("signature.input_shape", [0]),
        ("signature.input_shape", [2**62, 2**62]),
        ("signature.input_shape", ["11"]),
        ("signature.num_outputs", 4),
        ("signature.num_outputs", 10**9),
        ("signature.classes", ["a", "b"]),
        ("signature.classes", ["a", "b", 3]),
        ("signature.classes", "abc4"),
        ("signature.num_tokens", 5),
        ("signature.schema", None),
        ("signature.schema.coding", "run"),
        ("signature.schema.columns", {}),
        ("signature.schema.columns.0.kind", "code"),
        ("signature.schema.columns.0.categories", ["blue", "blue", "red"]),
        ("signature.schema.columns.0.categories", [1, 2, 3]),
        ("signature.schema.columns.1.offset", "0"),
        ("signature.vocabulary", {"words": ["a"], "length": 3, "column": ""}),
        ("signature.vocabulary", 3),
        ("scores", {}),
        ("scores.test", {"metric": "high"}),
        ("scores.test", {"metric": [1]}),
        ("temperature", 0.0),
        ("temperature", "1"),
        ("num_members", -1),
        ("num_members", True),
        ("num_members", 2),
        ("num_members", 10**9),
        ("num_members", 1.0),
    ],
)
def test_a_description_that_does_not_fit_is_refused(good, place, value, tmp_path):
    refused(changed(good, tmp_path / "model", told={place: value}))


@pytest.mark.parametrize("entry", ["about", "recipe", "shapes", "dampen weights"])
@pytest.mark.parametrize("text", ["", "{", "null", "[" * 100_000, "3", "x" * 100_000, '{"shapes": 1}'])
def test_a_text_of_the_header_that_is_something_else_is_refused(good, entry, text, tmp_path):
    refused(changed(good, tmp_path / "model", entries={entry: text}))


def test_the_good_file_loads(good):
    """Else the refusals above would prove nothing."""
    assert load_model(good).temperature == 1.5


def test_an_ensemble_with_a_member_missing_is_refused(tmp_path):
    fitted = trained(WORLDS["blobs"].data(), MLP((6,)), "SnapshotEnsemble(num_snapshots=2)")
    assert len(fitted.also) == 2
    save_model(fitted, tmp_path / "good")
    for count in (0, 1, 3, 10**9):
        refused(changed(tmp_path / "good", tmp_path / "model", told={"num_members": count}))


# ------------------------------------------------------------------ rows that are wrong


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (np.zeros((4, 1, 8, 7)), r"inputs must have shape \(rows, 1, 8, 8\), as in training; got \(4, 1, 8, 7\)"),
        (np.zeros((0, 1, 8, 8)), "at least one row"),
        (np.zeros(64), "at least one row"),
        (np.full((2, 1, 8, 8), np.nan), "inputs must be finite"),
        (np.full((2, 1, 8, 8), 1e300), "inputs must be finite"),
        (np.full((2, 1, 8, 8), "a"), "inputs must be an array of numbers"),
        ("digit", "DATA must be a built-in name"),
        (None, "inputs must be an array of numbers"),
        (pl.DataFrame({"a": [1]}), "it was trained on arrays"),
    ],
)
def test_rows_of_something_else_are_refused(inputs, said, tmp_path):
    loaded = there_and_back(trained(WORLDS["blobs"].data(), MLP((4,))), tmp_path)

    with pytest.raises(DampenError, match=said):
        loaded.predict(inputs)


@pytest.mark.parametrize("ids", [[[18] * 9], [[-1] * 9], [[0.5] * 9]])
def test_tokens_that_there_are_not_are_refused(ids, tmp_path):
    loaded = there_and_back(trained(WORLDS["words, lstm"].data(), LSTM(4)), tmp_path)

    with pytest.raises(DampenError, match="whole numbers from 0 to 17"):
        loaded.predict(np.array(ids))
