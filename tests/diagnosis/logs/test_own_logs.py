"""What dampen wrote itself is read again: a history, a comparison, a search, a study."""

import json

import pytest

import dampen
from dampen.diagnosis.logs import read_any, read_log
from dampen.errors import DampenError


@pytest.fixture(scope="module")
def comparison():
    return dampen.compare(dampen.MLP((8,)), "digits", ["L2"], seeds=2, epochs=2)


def test_a_history_is_read_as_it_was(comparison, tmp_path):
    history = comparison.histories["baseline"][0]
    (tmp_path / "history.json").write_text(json.dumps(history.to_record()))

    (read,) = read_log(tmp_path / "history.json")[""]

    assert read.to_record() == {**history.to_record(), "source": "history.json"}


def test_a_comparison_is_read_by_recipe_and_seed(comparison, tmp_path):
    comparison.save(tmp_path / "answer.json")

    read = read_log(tmp_path / "answer.json")

    assert {name: [h.to_record()["epochs"] for h in all_] for name, all_ in read.items()} == {
        name: [h.to_record()["epochs"] for h in all_] for name, all_ in comparison.histories.items()
    }
    assert read["baseline"][0].source == "answer.json: baseline"
    assert read_any(tmp_path / "answer.json").to_record() == comparison.to_record()


def test_a_search_is_read_from_its_file_and_from_its_study(tmp_path):
    storage = tmp_path / "studies.db"
    found = dampen.search(
        dampen.MLP((8,)), "digits", budget=3, epochs=2, seeds=2, study="small", storage=storage, ablation=False
    )
    found.save(tmp_path / "found.json")

    of_file, of_study = read_log(tmp_path / "found.json"), read_log("small", storage)

    assert set(of_file) == set(of_study) == set(found.histories)
    assert read_any("small", storage).winner == found.winner
    with pytest.raises(DampenError, match=r"^Unknown file, folder or study 'smal'\. Did you mean 'small'\?"):
        read_log("smal", storage)
