"""`dampen augment`, in this process: which recipe its words make, what it prints and refuses."""

import functools

import commands
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

DIGITS = (load_digits().images * 15).astype(np.uint8)


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for row in range(4):
        place = tmp_path / "photos" / "ab"[row % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DIGITS[row]).save(place / f"{row}.png")

    return functools.partial(commands.run, tmp_path, "augment")


@pytest.mark.parametrize(
    ("options", "recipe"),
    [
        ("--rotation 20 --zoom 0.15", "RandomAffine(rotation=20.0, zoom=0.15, shift=0.0)"),
        ("--flip horizontal", "RandomAffine(rotation=0.0, zoom=0.0, shift=0.0, horizontal_flip=0.5)"),
        (
            "--shift 0.2 --shear 5 --flip both",
            "RandomAffine(rotation=0.0, zoom=0.0, shift=0.2, shear=5.0, horizontal_flip=0.5, vertical_flip=0.5)",
        ),
        ("--brightness 0.3", "ColorJitter(brightness=0.3, contrast=0.0, saturation=0.0)"),
        (
            "--noise 0.2 --cutout 0.4 --erasing 1",
            "Cutout(size_fraction=0.4) + RandomErasing(probability=1.0) + InputNoise",
        ),
        ("--recipe RandAugment", "RandAugment"),
        (
            "--cutout 0.5 --recipe ElasticDeformation(alpha=20)",
            "Cutout(size_fraction=0.5) + ElasticDeformation(alpha=20)",
        ),
    ],
)
def test_words_make_a_recipe_and_what_is_not_said_rests(run, tmp_path, options, recipe):
    code, out, err = run("photos", "out", *options.split(), "--copies", "2", "--seed", "7")

    assert (code, err) == (0, "")
    assert recipe in out.splitlines()[0]
    assert out.splitlines()[0].endswith("; seed: 7")
    assert out.splitlines()[1:] == ["8 files in out, from 4 images.", "The contact sheet: out/contact-sheet.png"]
    assert sorted(path.name for path in (tmp_path / "out" / "a").iterdir()) == [
        "0-1.png",
        "0-2.png",
        "2-1.png",
        "2-2.png",
    ]


def test_a_recipe_file_and_a_sheet_of_one_s_own(run, tmp_path):
    (tmp_path / "mine.toml").write_text("[[techniques]]\nname = 'Cutout'\nsize_fraction = 0.5\n")
    (tmp_path / "photos" / "notes.txt").write_text("no image")

    code, out, err = run("photos", "out", "--recipe", "mine.toml", "--sheet", "page.jpg")

    assert (code, err) == (0, "")
    assert "Cutout(size_fraction=0.5); seed: 0" in out
    assert "The contact sheet: page.jpg\nnote: left out, no images: notes.txt." in out
    with Image.open(tmp_path / "page.jpg") as page:
        assert page.format == "JPEG"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("photos out", "dampen augment must be told what to change; got nothing. Try --rotation 20,"),
        ("photos out --rotation 200", "--rotation must be between 0 and 180; got 200.0."),
        ("photos out --zoom -0.1", "--zoom must be between 0 and 0.9; got -0.1."),
        ("photos out --cutout 2", "--cutout must be between 0 and 1; got 2.0."),
        ("photos out --rotation nan", "--rotation must be a number; got nan."),
        ("photos out --flip sideways", "--flip must be horizontal, vertical or both; got 'sideways'."),
        ("photos out --rotation 0", "An augmentation must change something; got RandomAffine(rotation=0.0"),
        ("photos out --recipe Dropout", "Dropout has the hook activation."),
        ("photos out --rotation much", "Invalid value for '--rotation'"),
        ("photos photos --rotation 20", "OUT_DIR must lie apart from IN_DIR, 'photos'; got 'photos', the same folder."),
        ("photos photos/new --rotation 20", "got 'photos/new', which leads into it."),
        ("photos/a . --rotation 20", "got '.', which holds it."),
        ("nothing out --rotation 20", "IN_DIR must be a folder of images; got 'nothing', which does not exist."),
        ("photos out --rotation 20 --copies 0", "copies must be a whole number, at least 1; got 0."),
        ("photos", "out_dir"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(run, tmp_path, options, told):
    code, out, err = run(*options.split())

    assert (code, out) == (2, "")
    assert told.lower() in err.lower()
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 4


def test_a_second_call_needs_force(run):
    first = run("photos", "out", "--rotation", "20")

    code, _, err = run("photos", "out", "--rotation", "20")

    assert first[0] == 0
    assert code == 2
    assert "17 files of that name there already: out/a/0-1.png, out/a/0-2.png, out/a/0-3.png and 14 more." in err
    assert run("photos", "out", "--rotation", "20", "--force")[:2] == first[:2]
