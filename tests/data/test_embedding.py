"""Embeddings are what the encoder says, row by row; a file stands in for it only where it says the same."""

import io
import pickle
import re

import numpy as np
import polars as pl
import pytest
import torch
from helpers import numbers
from numpy.testing import assert_allclose
from torch import nn
from torch.testing import assert_close

import dampen
from dampen import DampenError, embed
from dampen.data.embedding import PROBE_ROWS, TOLERANCE

TEXTS = [f"{'very ' * (number % 4)}good {number}" for number in range(21)]


def of_text(text):
    return [float(len(text)), float(text.count("very")), float(sum(map(ord, text)))]


def of_texts(texts):
    return torch.tensor([of_text(text) for text in texts])


class Counting:
    """Remembers the batches it got."""

    def __init__(self, encoder=of_texts):
        self.encoder, self.batches = encoder, []

    def __call__(self, batch):
        self.batches.append(batch)
        return self.encoder(batch)


class Shy(nn.Module):
    """In training its dropout and batch norm would show; its last part stays in evaluation mode, whatever happens."""

    def __init__(self, width=5, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.layers = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Dropout(0.5))
        self.rests = nn.Dropout(0.5).eval()
        self.modes = []

    def forward(self, rows):
        self.modes.append([module.training for module in self.modules()])
        return self.rests(self.layers(rows))

    def encode(self, texts):
        return self(of_texts(texts))


def rows_of(count=21):
    return numbers(count, 3).float()


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------ what the encoder says


@pytest.mark.parametrize("batch_size", [1, 4, 21, 256])
def test_embeddings_are_what_the_encoder_says_of_each_row_in_order(batch_size):
    found = embed(of_texts, TEXTS, batch_size=batch_size)

    assert_close(found, torch.tensor([of_text(text) for text in TEXTS]), rtol=0, atol=0)


def test_batches_come_in_order_and_are_told_of():
    encoder, told = Counting(), []

    embed(encoder, TEXTS, batch_size=8, watch=lambda *done: told.append(done))

    assert encoder.batches == [TEXTS[:8], TEXTS[8:16], TEXTS[16:]]
    assert told == [(8, 21), (16, 21), (21, 21)]


@pytest.mark.parametrize(
    "texts",
    [tuple(TEXTS), list(np.array(TEXTS)), np.array(TEXTS), np.array(TEXTS, dtype=object), pl.Series(TEXTS)],
    ids=["tuple", "texts of NumPy", "array", "objects", "Polars"],
)
def test_a_column_of_texts_is_a_list_of_texts(texts):
    encoder = Counting()

    embed(encoder, texts)

    assert encoder.batches == [TEXTS]
    assert all(type(text) is str for text in encoder.batches[0])


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "uint8", ">f4"])
def test_arrays_and_tensors_are_handed_over_as_tensors_of_their_own_type(kind):
    array = np.arange(24).reshape(6, 2, 2).astype(kind)
    encoder = Counting(lambda batch: batch.flatten(1).float())

    found = embed(encoder, array, batch_size=4)

    assert_allclose(found.numpy(), np.arange(24).reshape(6, 4), rtol=0, atol=0)
    assert encoder.batches[0].dtype == getattr(torch, np.dtype(kind).newbyteorder("=").name)
    assert_close(embed(encoder, torch.arange(24).reshape(6, 2, 2)), found, rtol=0, atol=0)


def test_a_mapped_file_is_read_without_a_warning(tmp_path):
    np.save(tmp_path / "rows.npy", np.ones((6, 3), np.float32))

    found = embed(lambda batch: 2 * batch, np.load(tmp_path / "rows.npy", mmap_mode="r"))

    assert_allclose(found.numpy(), np.full((6, 3), 2.0), rtol=0, atol=0)


@pytest.mark.parametrize(
    "told",
    [
        lambda batch: batch.double().numpy(),
        lambda batch: batch.numpy().astype(np.float16),
        lambda batch: batch.bfloat16(),
        lambda batch: batch.tolist(),
        lambda batch: (batch * nn.Parameter(torch.ones(3))).requires_grad_(),
    ],
    ids=["float64", "float16", "bf16", "lists", "gradients"],
)
def test_whatever_floats_come_back_they_are_float32_on_the_cpu_without_gradients(told):
    rows = torch.arange(18.0).reshape(6, 3)

    found = embed(told, rows)

    assert_close(found, rows, rtol=0, atol=0)
    assert (found.requires_grad, found.device.type) == (False, "cpu")


def test_an_encoder_sees_no_gradients_and_leaves_them_as_they_were():
    seen = []

    embed(lambda batch: seen.append(torch.is_grad_enabled()) or batch, rows_of())

    assert seen == [False]
    assert torch.is_grad_enabled()


# ------------------------------------------------------------------ modules


def test_a_module_is_in_evaluation_mode_and_then_as_it_was():
    encoder, rows = Shy(), rows_of()
    modes, state = [module.training for module in encoder.modules()], encoder.state_dict()

    found = embed(encoder, rows, batch_size=8)

    assert not any(map(any, encoder.modes))
    assert [module.training for module in encoder.modules()] == modes
    assert (encoder.training, encoder.rests.training) == (True, False)
    assert_close(encoder.state_dict(), state, rtol=0, atol=0)
    assert_close(found, encoder.eval()(rows).detach(), rtol=1e-6, atol=1e-6)


def test_a_module_that_fails_is_as_it_was_too():
    encoder = Shy()

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        embed(encoder, numbers(6, 4).float())

    assert encoder.training
    assert encoder.layers[2].training


def test_a_method_of_a_module_counts_as_the_module(tmp_path):
    encoder = Shy()

    found = embed(encoder.encode, TEXTS, cache=tmp_path)

    assert not any(map(any, encoder.modes))
    assert encoder.training
    assert_close(embed(Shy(seed=1).encode, TEXTS[:3]), Shy(seed=1).eval().encode(TEXTS[:3]).detach())
    embed(Shy(seed=1).encode, TEXTS, cache=tmp_path)
    assert len(files_in(tmp_path)) == 2
    assert_close(embed(encoder.encode, TEXTS, cache=tmp_path), found, rtol=0, atol=0)


def test_a_tensor_goes_to_where_the_module_s_weights_are():
    class Far(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.seen = nn.Parameter(torch.zeros(2, device="meta")), []

        def forward(self, rows):
            self.seen.append(rows.device.type)
            return torch.ones(len(rows), 2)

    encoder = Far()

    embed(encoder, rows_of())

    assert encoder.seen == ["meta"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_module_on_a_gpu_gives_the_embeddings_of_the_cpu(tmp_path):
    encoder, rows = Shy(), rows_of()
    expected = embed(encoder, rows, cache=tmp_path)

    found = embed(encoder.cuda(), rows, cache=tmp_path)

    assert found.device.type == "cpu"
    assert_close(found, expected)
    assert len(files_in(tmp_path)) == 1


# ------------------------------------------------------------------ the file


@pytest.mark.parametrize("rows", [TEXTS, rows_of()], ids=["texts", "numbers"])
def test_the_second_time_the_encoder_is_asked_for_the_first_rows_alone(rows, tmp_path):
    encoder = Counting(of_texts if rows is TEXTS else lambda batch: batch / 3)
    first = embed(encoder, rows, cache=tmp_path / "new" / "folder", batch_size=8)
    encoder.batches.clear()

    second = embed(encoder, rows, cache=str(tmp_path / "new" / "folder"), batch_size=5)

    assert [len(batch) for batch in encoder.batches] == [PROBE_ROWS] == [8]
    assert_close(second, first, rtol=0, atol=0)
    assert_close(first, encoder.encoder(rows), rtol=0, atol=0)
    assert len(files_in(tmp_path / "new" / "folder")) == 1


def test_few_rows_are_all_asked_for_again(tmp_path):
    encoder = Counting()

    found = [embed(encoder, TEXTS[:3], cache=tmp_path) for _ in range(2)]

    assert encoder.batches == [TEXTS[:3]] * 2
    assert_close(*found, rtol=0, atol=0)


def test_the_file_is_plain_numbers_that_numpy_reads(tmp_path):
    found = embed(of_texts, TEXTS, cache=tmp_path)

    (name,) = files_in(tmp_path)

    assert re.fullmatch(r"[0-9a-f]{32}\.npy", name)
    assert_allclose(np.load(tmp_path / name, allow_pickle=False), found.numpy(), rtol=0, atol=0)


@pytest.mark.parametrize(
    "other",
    [
        TEXTS[:-1],
        [*TEXTS[:-1], "good 21"],
        [*TEXTS[:-2], TEXTS[-1], TEXTS[-2]],
        [*TEXTS[:-2], TEXTS[-2] + TEXTS[-1][:1], TEXTS[-1][1:]],
    ],
    ids=["fewer", "another", "another order", "another border"],
)
def test_other_texts_have_a_file_of_their_own(other, tmp_path):
    embed(of_texts, TEXTS, cache=tmp_path)

    found = embed(of_texts, other, cache=tmp_path)

    assert len(files_in(tmp_path)) == 2
    assert_close(found, of_texts(other), rtol=0, atol=0)


@pytest.mark.parametrize(
    "other",
    [
        rows_of() + (torch.arange(21) == 20)[:, None],
        rows_of().double(),
        rows_of()[:, :, None],
        rows_of().T.reshape(21, 3),
    ],
    ids=["one number", "type", "shape", "order"],
)
def test_other_numbers_have_a_file_of_their_own(other, tmp_path):
    for rows in (rows_of(), other):
        found = embed(lambda batch: batch.flatten(1), rows, cache=tmp_path)
        assert_close(found, rows.flatten(1).float(), rtol=0, atol=0)

    assert len(files_in(tmp_path)) == 2


def test_the_same_bytes_of_another_type_have_a_file_of_their_own(tmp_path):
    for kind in (torch.float32, torch.int32):
        embed(lambda batch: batch.float(), torch.zeros(21, 3, dtype=kind), cache=tmp_path)

    assert len(files_in(tmp_path)) == 2


def test_an_array_and_a_tensor_of_the_same_numbers_are_the_same_rows(tmp_path):
    for rows in (rows_of(), rows_of().numpy(), np.asfortranarray(rows_of().numpy())):
        embed(lambda batch: batch, rows, cache=tmp_path)

    assert len(files_in(tmp_path)) == 1


def test_changed_weights_buffers_and_structure_have_a_file_of_their_own(tmp_path):
    namesake = type("Shy", (Shy,), {"__qualname__": "Other.Shy"})
    weights, buffers, structure = Shy(), Shy(), Shy()
    with torch.no_grad():
        weights.layers[0].bias[-1] += 1
    buffers.layers[1].running_mean[0] += 1
    structure.layers[2] = nn.Tanh()

    found = [embed(encoder, rows_of(), cache=tmp_path) for encoder in (Shy(), weights, buffers, structure, namesake())]

    assert len(files_in(tmp_path)) == 5
    assert_close(found[0], found[4], rtol=0, atol=0)
    for encoder, embeddings in zip((weights, buffers, structure), found[1:4], strict=True):
        assert_close(embeddings, encoder.eval()(rows_of()).detach(), rtol=1e-6, atol=1e-6)


def test_a_module_in_training_mode_and_one_in_evaluation_mode_share_a_file(tmp_path):
    embed(Shy(), rows_of(), cache=tmp_path)
    embed(Shy().eval(), rows_of(), cache=tmp_path)

    assert len(files_in(tmp_path)) == 1


# ------------------------------------------------------------------ files that are refused


def test_a_file_of_another_width_is_refused(tmp_path):
    embed(of_texts, TEXTS, cache=tmp_path)

    with pytest.raises(DampenError, match=r"they have 3 columns, it returns 2\. Name another folder, or delete"):
        embed(lambda batch: of_texts(batch)[:, :2], TEXTS, cache=tmp_path)


def test_a_file_of_other_values_is_refused_and_stays(tmp_path):
    before = embed(of_texts, TEXTS, cache=tmp_path)

    with pytest.raises(
        DampenError, match=r"must be this encoder's; of the first 8 rows .* up to 3\.94e\+03 away, .* 1\.97e\+03\."
    ):
        embed(lambda batch: -of_texts(batch), TEXTS, cache=tmp_path)

    assert_close(embed(of_texts, TEXTS, cache=tmp_path), before, rtol=0, atol=0)


@pytest.mark.parametrize(("share", "believed"), [(0.9, True), (1.1, False)])
def test_what_rounding_changes_is_believed_and_more_is_not(share, believed, tmp_path):
    before = embed(lambda batch: batch, rows_of(), cache=tmp_path)

    def nearly(batch):
        return batch * (1 + share * TOLERANCE)

    if believed:
        assert_close(embed(nearly, rows_of(), cache=tmp_path), before, rtol=0, atol=0)
    else:
        with pytest.raises(DampenError, match="Name another folder, or delete the file"):
            embed(nearly, rows_of(), cache=tmp_path)


def with_a_nan(array):
    return np.where(np.arange(array.size).reshape(array.shape) == 40, np.nan, array).astype(np.float32)


def zipped(array):
    np.savez(file := io.BytesIO(), array)
    return file.getvalue()


BROKEN = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-10]),
    "cut in its head": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "a head that is no Python": lambda path: path.write_bytes(path.read_bytes().replace(b"}", b"(", 1)),
    "empty": lambda path: path.write_bytes(b""),
    "something else": lambda path: path.write_text("texts and numbers\n" * 20),
    "an archive": lambda path: path.write_bytes(zipped(np.load(path))),
    "a pickle": lambda path: path.write_bytes(pickle.dumps([1.0])),
    "objects": lambda path: np.save(path, np.array([{}] * 21, dtype=object), allow_pickle=True),
    "a size it has not": lambda path: path.write_bytes(path.read_bytes().replace(b"(21, 3)", b"(9999999999, 3)", 1)),
    "fewer rows": lambda path: np.save(path, np.load(path)[:-1]),
    "another type": lambda path: np.save(path, np.load(path).astype(np.float64)),
    "one axis": lambda path: np.save(path, np.load(path)[:, 0]),
    "a nan": lambda path: np.save(path, with_a_nan(np.load(path))),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_and_named(name, tmp_path):
    embed(of_texts, TEXTS, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    BROKEN[name](path)
    encoder = Counting()

    with pytest.raises(DampenError) as refused:
        embed(encoder, TEXTS, cache=tmp_path)

    assert re.fullmatch(
        rf"The embeddings '{re.escape(str(path))}' must be [^\n]+\. Delete it, and it is computed again\.",
        str(refused.value),
    )
    assert encoder.batches == []


# ------------------------------------------------------------------ files that are whole or not there


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_encoder_that_fails_halfway_leaves_no_file(error, tmp_path):
    def fails(batch):
        if TEXTS[10] in batch:
            raise error("halfway")
        return of_texts(batch)

    with pytest.raises(error, match="halfway"):
        embed(fails, TEXTS, cache=tmp_path, batch_size=4)

    assert files_in(tmp_path) == []


def test_a_disk_that_is_full_leaves_no_file(tmp_path, monkeypatch):
    def half(path, array, **_):
        path.write_bytes(array.tobytes()[:30])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", half)

    with pytest.raises(DampenError, match=r"cannot be written: \[Errno 28\] No space left .*\. Name another folder\."):
        embed(of_texts, TEXTS, cache=tmp_path)

    assert files_in(tmp_path) == []


def test_a_file_appears_under_its_name_only_when_it_is_whole(tmp_path, monkeypatch):
    save, beside = np.save, []

    def watched(path, *args, **options):
        save(path, *args, **options)
        beside.extend(files_in(tmp_path))

    monkeypatch.setattr(np, "save", watched)
    embed(of_texts, TEXTS, cache=tmp_path)

    assert all(name.startswith(".") for name in beside)
    assert len(beside) == len(files_in(tmp_path)) == 1


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_cache_that_is_a_file_is_refused_before_anything_is_computed(below, tmp_path):
    (tmp_path / "file").write_text("")
    encoder = Counting()

    with pytest.raises(DampenError, match=r"cache must be a folder, or a place for one; got .*\. Name another\."):
        embed(encoder, TEXTS, cache=tmp_path / "file" / below)

    assert encoder.batches == []


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "rows must be at least one; got none"),
        (np.zeros((0, 3)), "rows must be at least one; got none"),
        (torch.zeros(0, 3), "rows must be at least one; got none"),
        ("a text", "got one text"),
        (["a", None], r"must be of texts alone; got NoneType at place 1\. Drop it"),
        ([1.0, 2.0], r"got float at place 0\. .* numbers come as an array or a tensor"),
        (np.array(["a", 3], dtype=object), "got int at place 1"),
        (np.array([["a"], ["b"]]), r"of numbers; got ndarray of shape \(2, 1\), type <U1"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), r"type datetime64\[D\]"),
        (np.float32(3), "got a single number"),
        (torch.tensor(3.0), "got a single number"),
        (None, r"got NoneType of shape \(\)"),
        ({"a": 1}, r"got dict of shape \(\)"),
        ((text for text in TEXTS), r"got generator of shape \(\)"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_rows_that_are_none_are_refused(rows, told):
    with pytest.raises(DampenError, match=told):
        embed(of_texts, rows)


@pytest.mark.parametrize(
    ("encoder", "told"),
    [
        (lambda batch: of_texts(batch)[1:], r"a row for each it gets; got shape \(7, 3\) for 8 rows\."),
        (lambda batch: torch.zeros(len(batch), 4, 3), r"got shape \(8, 4, 3\) for 8 rows\. Pool over other axes"),
        (lambda batch: of_texts(batch)[:, 0], r"got shape \(8,\)"),
        (lambda batch: torch.zeros(len(batch), 0), r"got shape \(8, 0\)"),
        (lambda batch: 3.0, r"got shape \(\)"),
        (lambda batch: None, "got NoneType for 8 rows"),
        (lambda batch: {"pooled": of_texts(batch)}, "got dict for 8 rows"),
        (lambda batch: (of_texts(batch), None), "got tuple for 8 rows"),
        (lambda batch: [[1.0], [2.0, 3.0]], "got list for 8 rows"),
        (lambda batch: of_texts(batch).long(), r"must return floats; got torch\.int64\. Take what it makes before"),
        (lambda batch: of_texts(batch) > 3, r"must return floats; got torch\.bool"),
        (lambda batch: of_texts(batch).numpy().astype(int), "must return floats; got int64"),
        (lambda batch: of_texts(batch).to(torch.complex64), r"must return floats; got torch\.complex64"),
        (lambda batch: np.array([[text] for text in batch]), "must return floats; got <U"),
    ],
)
def test_an_encoder_that_returns_something_else_is_refused(encoder, told):
    with pytest.raises(DampenError, match=rf"The encoder .*{told}"):
        embed(encoder, TEXTS, batch_size=8)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_numbers_that_are_not_finite_are_refused_by_row(value):
    def odd(batch):
        return [[value if text in (TEXTS[10], TEXTS[12]) else 1.0, 2.0] for text in batch]

    with pytest.raises(DampenError, match=r"NaN or infinity for 2 rows, the first of them row 10\. Look"):
        embed(odd, TEXTS, batch_size=8)


def test_a_width_that_varies_is_refused():
    with pytest.raises(DampenError, match=r"as many columns for every batch; got 8 and, from row 16 on, 5\. Pool"):
        embed(lambda batch: torch.ones(len(batch), len(batch)), TEXTS, batch_size=8)


@pytest.mark.parametrize("encoder", ["MiniLM", None, torch.zeros(3)])
def test_what_cannot_be_called_is_no_encoder(encoder):
    with pytest.raises(DampenError, match=r"encoder must be an nn\.Module or a function; got (str|NoneType|Tensor)\."):
        embed(encoder, TEXTS)


@pytest.mark.parametrize("size", [0, -3, 2.5, True, "8"])
def test_a_batch_has_at_least_one_row(size):
    with pytest.raises(DampenError, match="batch_size must be a whole number, at least 1; got"):
        embed(of_texts, TEXTS, batch_size=size)


def test_a_cache_is_a_path():
    with pytest.raises(DampenError, match=r"cache must be the path of a folder; got bool\."):
        embed(of_texts, TEXTS, cache=True)


# ------------------------------------------------------------------ what it is for


def test_a_head_learns_from_embeddings(tmp_path):
    labels = np.array(["very" if text.startswith("very") else "not" for text in TEXTS])
    inputs = embed(of_texts, TEXTS, cache=tmp_path)

    head = dampen.fit(dampen.MLP(()), (inputs, labels), "InputDropout(0.1) + WeightDecay(0.01)", epochs=2)

    assert head.problem.data.classes == ("not", "very")
    assert head.problem.data.input_shape == (3,)
