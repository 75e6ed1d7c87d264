"""Copies of real images: that they are what the techniques say, depend on nothing else, and keep what the file was."""

import hashlib
import io
import os

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.datasets import load_digits, load_sample_image

import dampen
from dampen import Cutout, DampenError, RandomAffine, Recipe, augment_folder, reference
from dampen.augmenting import changes, folder
from dampen.contracts import tunables
from dampen.randomness import make_key, site_of, uniform

FLOWER = load_sample_image("flower.jpg")[150:214, 260:340]
"""64 rows of 80 pixels of a real photograph, in colour."""
GREY = np.asarray(Image.fromarray(FLOWER).convert("L"))
DIGITS = (load_digits().images * 15).astype(np.uint8)
TURN = RandomAffine(rotation=40, zoom=0.0, shift=0.0)
ALL = (
    "RandomAffine(shear=5) + RandomCrop + ElasticDeformation + ColorJitter + Cutout + RandomErasing(probability=1) "
    "+ InputNoise"
)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)
    return path


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image)


def hashes(place):
    """What lies below a folder, by name, but for the contact sheet."""
    files = [path for path in place.rglob("*") if path.is_file() and path.name != "contact-sheet.png"]
    return {path.relative_to(place).as_posix(): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def place(tmp_path):
    """Six digits in two folders of classes, and a photograph."""
    for row in range(6):
        save(tmp_path / "in" / f"class {row % 2}" / f"{row}.png", DIGITS[row])
    save(tmp_path / "in" / "photo.png", FLOWER)
    return tmp_path


# ------------------------------------------------------------------ what copies are


def draws_of(name, number, seed=0):
    """The seven numbers of RandomAffine for a copy: keyed by seed, name and number."""
    key = make_key(seed, site_of(site_of(0, name), f"copy {number}"))
    return uniform(key / "RandomAffine", (7, 1), torch.float32).double().numpy()


@pytest.mark.parametrize("technique", [TURN, RandomAffine(rotation=20, zoom=0.15, shift=0.1, shear=9)], ids=str)
def test_a_copy_is_what_the_definition_says(place, technique):
    augment_folder(place / "in", place / "out", technique, copies=2, seed=5)

    strengths = {name: getattr(technique, name) for name in tunables(technique)}
    for number in (1, 2):
        draws = draws_of("photo.png", number, seed=5)
        images = np.moveaxis(FLOWER, -1, 0)[None].astype(float)
        expected = np.moveaxis(reference.random_affine(images, draws, **strengths)[0], 0, -1)
        nudged = reference.random_affine(images, draws, **strengths | {"rotation": strengths["rotation"] * 1.2})[0]
        copy = pixels_of(place / "out" / f"photo-{number}.png").astype(float)
        assert_allclose(copy, expected, atol=0.51)
        assert np.abs(copy - np.moveaxis(nudged, 0, -1)).max() > 20


def test_colours_are_on_the_scale_of_the_format_and_cover_is_the_image_s_own_mean(place):
    augment_folder(place / "in", place / "dark", "ColorJitter(brightness=1, contrast=0, saturation=0)", copies=1)
    augment_folder(place / "in", place / "covered", Cutout(size_fraction=1.0), copies=1)

    ratio = pixels_of(place / "dark" / "photo-1.png")[FLOWER > 60] / FLOWER[FLOWER > 60]
    covered = pixels_of(place / "covered" / "photo-1.png")
    changed = (covered != FLOWER).any(-1)
    assert_allclose(np.quantile(ratio, [0.1, 0.9]), np.median(ratio), rtol=0.02)
    assert abs(np.median(ratio) - 1) > 0.02
    assert 0.1 < changed.mean() < 1
    assert_allclose(covered[changed] - FLOWER.mean((0, 1)), 0, atol=0.51)


def test_a_mirrored_copy_is_the_mirror_image_to_the_last_bit(place):
    wide = np.tile(GREY, (1, 30)).astype(np.uint16)  # where single precision is not fine enough for 65,536 greys
    deep = wide * 257 + np.arange(wide.shape[1], dtype=np.uint16) % 255
    save(place / "in" / "deep.png", deep)
    still = dict.fromkeys(tunables(RandomAffine), 0.0)

    augment_folder(place / "in", place / "out", RandomAffine(**still | {"horizontal_flip": 0.5}), copies=12)

    for name, original in (("photo", FLOWER), ("deep", deep)):
        copies = [pixels_of(place / "out" / f"{name}-{number}.png") for number in range(1, 13)]
        same = [np.array_equal(copy, original) for copy in copies]
        mirrored = [np.array_equal(copy, original[:, ::-1]) for copy in copies]
        assert [a + b for a, b in zip(same, mirrored, strict=True)] == [1] * 12
        assert 2 < sum(mirrored) < 10


# ------------------------------------------------------------------ what they depend on


def test_what_lies_beside_an_image_does_not_count(place, monkeypatch):
    augment_folder(place / "in", place / "few", ALL, copies=2, seed=3)
    before = hashes(place / "few")
    for row in range(6, 12):
        save(place / "in" / "class 0" / f"{row}.png", DIGITS[row])
    save(place / "in" / "a.png", FLOWER[:, ::-1])
    monkeypatch.setattr(folder, "NUMBERS", 200)

    augment_folder(place / "in", place / "more", ALL, copies=3, seed=3)
    augment_folder(place / "in", place / "other", ALL, copies=2, seed=4)

    after, other = hashes(place / "more"), hashes(place / "other")
    assert len(before) == 14
    assert {name: after[name] for name in before} == before
    assert not set(other.values()) & set(after.values())
    assert len(set(after.values())) == len(after) == 14 * 3


def test_images_of_equal_pixels_get_copies_of_their_own(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "in" / f"{name}.png", FLOWER)

    augment_folder(tmp_path / "in", tmp_path / "out", TURN, copies=2)

    assert len({*hashes(tmp_path / "out").values()}) == 4


def test_a_technique_added_behind_leaves_the_others_draws_alone(place):
    augment_folder(place / "in", place / "one", TURN, copies=1)
    augment_folder(place / "in", place / "two", Recipe((TURN, Cutout(0.2))), copies=1)

    one, two = (pixels_of(place / name / "photo-1.png") for name in ("one", "two"))
    assert 0.5 < (one == two).all(-1).mean() < 1


# ------------------------------------------------------------------ what they keep


ALPHA = np.full(GREY.shape, 255, np.uint8)
MODES = {
    "grey.png": (GREY, "grey-1.png", "L"),
    "colour.png": (FLOWER, "colour-1.png", "RGB"),
    "clear.png": (np.dstack([FLOWER, ALPHA]), "clear-1.png", "RGBA"),
    "clear grey.png": (np.dstack([GREY, ALPHA]), "clear grey-1.png", "LA"),
    "palette.png": (Image.fromarray(FLOWER).convert("P"), "palette-1.png", "RGB"),
    "bits.png": (Image.fromarray(GREY).convert("1"), "bits-1.png", "L"),
    "deep.png": (GREY.astype(np.uint16) * 257, "deep-1.png", "I;16"),
    "deep.tif": (GREY.astype(np.uint16) * 257, "deep-1.tif", "I;16"),
    "PHOTO.JPG": (FLOWER, "PHOTO-1.JPG", "RGB"),
    "photo.jpeg": (GREY, "photo-1.jpeg", "L"),
    "photo.webp": (FLOWER, "photo-1.webp", "RGB"),
    "photo.bmp": (FLOWER, "photo-1.bmp", "RGB"),
    "palette.gif": (Image.fromarray(FLOWER).convert("P"), "palette-1.png", "RGB"),
    "bits.pbm": (Image.fromarray(GREY).convert("1"), "bits-1.png", "L"),
    "photo.ppm": (FLOWER, "photo-1.ppm", "RGB"),
    "deep.pgm": (GREY.astype(np.uint16) * 257, "deep-1.pgm", "I"),
    "tiny.png": (FLOWER[:2, :1], "tiny-1.png", "RGB"),
    "кот и 猫.png": (GREY, "кот и 猫-1.png", "L"),
}


@pytest.mark.parametrize("name", MODES)
def test_size_mode_and_format_are_kept_where_they_can_be(tmp_path, name):
    pixels, copy, mode = MODES[name]
    path = save(tmp_path / "in" / "sub" / name, pixels)

    written = augment_folder(tmp_path / "in", tmp_path / "out", ALL, copies=1)

    with Image.open(path) as before, Image.open(tmp_path / "out" / "sub" / copy) as after:
        assert (after.mode, after.size) == (mode, before.size)
        assert np.asarray(after).std() > 0
    assert (written.num_images, written.num_copies) == (1, 1)


def test_a_jpeg_loses_next_to_nothing(tmp_path):
    path = save(tmp_path / "in" / "photo.jpg", FLOWER, quality=90)
    original = pixels_of(path).astype(float)

    augment_folder(
        tmp_path / "in", tmp_path / "out", "ColorJitter(brightness=0.0, contrast=0, saturation=0.001)", copies=1
    )

    usual = pixels_of(save(tmp_path / "usual.jpg", pixels_of(path))).astype(float)
    copy = pixels_of(tmp_path / "out" / "photo-1.jpg").astype(float)
    assert 0 < np.abs(copy - original).mean() < 0.5 * np.abs(usual - original).mean()


def test_pixels_stay_as_they_are_stored_and_viewers_turn_copy_and_original_alike(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera that nobody needs to know"
    save(tmp_path / "in" / "photo.png", FLOWER, exif=exif, icc_profile=b"what the colours mean")
    still = dict.fromkeys(tunables(RandomAffine), 0.0)

    augment_folder(tmp_path / "in", tmp_path / "out", RandomAffine(**still | {"horizontal_flip": 1.0}), copies=1)

    with Image.open(tmp_path / "out" / "photo-1.png") as copy:
        assert dict(copy.getexif()) == {0x0112: 6}
        assert copy.info["icc_profile"] == b"what the colours mean"
        assert_array_equal(np.asarray(copy), FLOWER[:, ::-1])


def test_colours_that_nobody_sees_do_not_bleed(tmp_path):
    rows, columns = np.mgrid[:40, :40] - 19.5
    inside = rows**2 + columns**2 < 15**2
    red, green = np.array([200, 10, 20, 255]), np.array([0, 255, 0, 0])
    save(tmp_path / "in" / "disc.png", np.where(inside[..., None], red, green).astype(np.uint8))

    augment_folder(tmp_path / "in", tmp_path / "out", "RandomAffine + ElasticDeformation", copies=3)

    for number in (1, 2, 3):
        copy = pixels_of(tmp_path / "out" / f"disc-{number}.png").astype(int)
        seen = copy[copy[..., 3] > 0]
        assert (seen[:, 3] > 0).sum() > (seen[:, 3] == 255).sum() > 300
        assert_allclose(seen[:, :3], np.broadcast_to(red[:3], (len(seen), 3)), atol=1)


def test_colours_change_and_transparency_stays(tmp_path):
    alpha = (GREY > 100).astype(np.uint8) * 255
    save(tmp_path / "in" / "photo.png", np.dstack([FLOWER, alpha]))
    save(tmp_path / "same" / "photo.png", FLOWER)
    recipe = "ColorJitter + Cutout + RandomErasing(probability=1) + InputNoise"

    augment_folder(tmp_path / "in", tmp_path / "out", recipe, copies=1)
    augment_folder(tmp_path / "same", tmp_path / "opaque", recipe, copies=1)

    copy = pixels_of(tmp_path / "out" / "photo-1.png")
    assert_array_equal(copy[..., 3], alpha)
    assert_array_equal(copy[..., :3], pixels_of(tmp_path / "opaque" / "photo-1.png"))


def test_the_tables_of_what_moves_and_what_recolours_are_right():
    """Moving commutes with swapping channels and knows no range; recolouring keeps an image of one colour so, cover
    and noise aside."""
    pixels = np.moveaxis(FLOWER[:12, :12], -1, 0)
    image, swapped = (changes.images_of(changes.Look("RGB", (3, 12, 12)), [rows]) for rows in (pixels, pixels[::-1]))
    for technique in changes.PLACES:
        made = changes.Changes(Recipe((technique(),)), 1)
        assert_array_equal(made.of(image, ["a"], 1)[:, ::-1], made.of(swapped, ["a"], 1))
    for technique in changes.COLOURS:
        strongest = {name: info.search[1] for name, info in tunables(technique).items() if info.off is not None}
        made = changes.Changes(Recipe((technique(**strongest),)), 1)
        changed = [made.of(image, ["a"], number)[0] for number in range(1, 9)]
        kept = [np.corrcoef(copy.reshape(-1), pixels.reshape(-1))[0, 1] for copy in changed]
        assert max(kept) > 0.7


# ------------------------------------------------------------------ the contact sheet


def test_the_sheet_shows_originals_beside_their_copies_and_is_no_image_to_learn_from(place):
    (place / "in" / "photo.png").unlink()
    written = augment_folder(place / "in", place / "out", TURN, copies=3)

    page = pixels_of(written.sheet)
    data = dampen.open_data(place / "out")
    original = DIGITS[0].repeat(16, 0).repeat(16, 1)
    assert written.sheet == place / "out" / "contact-sheet.png"
    assert_array_equal(page[80:208, 8:136], original[..., None].repeat(3, 2))
    copy = pixels_of(place / "out" / "class 0" / "0-2.png").repeat(16, 0).repeat(16, 1)
    assert_array_equal(page[80:208, 280:408], copy[..., None].repeat(3, 2))
    assert (len(data.inputs), data.classes) == (18, ("class 0", "class 1"))


def test_the_sheet_may_lie_elsewhere_and_shows_rows_from_all_over_the_folder(tmp_path):
    for row in range(40):
        save(tmp_path / "in" / f"{row}.png", DIGITS[row])

    written = augment_folder(tmp_path / "in", tmp_path / "out", TURN, copies=20, sheet=tmp_path / "sheet.png")

    assert written.sheet == tmp_path / "sheet.png"
    assert not (tmp_path / "out" / "contact-sheet.png").exists()
    page = pixels_of(written.sheet)
    assert page.shape[0] < 9 * 160
    assert page.shape[1] < 10 * 140


def test_deep_and_clear_images_are_shown_as_they_look(tmp_path):
    save(tmp_path / "in" / "a.png", np.full((128, 128), 51 * 257, np.uint16))
    save(tmp_path / "in" / "b.png", np.dstack([np.full((128, 128, 3), 9, np.uint8), np.zeros((128, 128), np.uint8)]))

    page = pixels_of(augment_folder(tmp_path / "in", tmp_path / "out", TURN, copies=1).sheet)

    assert_array_equal(page[80:208, 8:136], np.full((128, 128, 3), 51))
    assert_array_equal(page[234:362, 8:136], np.full((128, 128, 3), 255))


# ------------------------------------------------------------------ refusals


def refusal(*arguments, **options):
    with pytest.raises(DampenError) as error:
        augment_folder(*arguments, **options)
    return str(error.value)


def png_of_16_bit_colours():
    """Pillow cannot write one: the size of the format's smallest file, by hand."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(range(12))) * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("Dropout", "An augmentation must change images and nothing else; Dropout has the hook activation. Leave"),
        ("MixUp", "each image by itself; MixUp changes targets, too. Leave MixUp out."),
        ("CutMix", "each image by itself; CutMix changes targets, too. Leave CutMix out."),
        ("LabelSmoothing", "LabelSmoothing needs classes as targets"),
        ("SpecAugment", "SpecAugment needs series (N, C, T)"),
        ("Whitening", "Whitening has the hook rebuild"),
        ("RandomAffine(rotation=0, zoom=0, shift=0)", "An augmentation must change something; got RandomAffine("),
        ("SGD(lr=0.1)", "An augmentation must change something; got SGD(lr=0.1). Try 'RandomAffine(rotation=20)'."),
        ("RandomAffine(rotation=200)", "RandomAffine.rotation must be between 0 and 180; got 200."),
        ("Blur", "Unknown technique 'Blur'."),
    ],
)
def test_a_recipe_that_does_not_change_images_one_by_one_is_refused(place, recipe, told):
    assert told in refusal(place / "in", place / "out", recipe)
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"copies": 0}, "copies must be a whole number, at least 1; got 0."),
        ({"seed": -1}, "A seed must be a whole number from 0 to 2^32 - 1; got -1."),
        ({"sheet": "in/sheet.png"}, "--sheet must lie apart from IN_DIR; got "),
        ({"sheet": "nowhere/sheet.png"}, "--sheet must be a file in a folder that is there; got "),
        ({"sheet": "in"}, "--sheet must end in .png or .jpg; got "),
        ({"sheet": "out/photo-1.png"}, "--sheet must be a file of its own; got "),
    ],
    ids=str,
)
def test_odd_options_are_refused(place, options, told):
    options = {name: place / value if name == "sheet" else value for name, value in options.items()}

    assert told in refusal(place / "in", place / "out", TURN, **options)
    assert not (place / "out").exists()


def test_folders_that_are_not_there_or_hold_no_images_are_refused(place):
    (place / "empty").mkdir()
    (place / "texts").mkdir()
    (place / "texts" / "a.txt").write_text("no image")

    assert "which does not exist." in refusal(place / "none", place / "out", TURN)
    assert "which is a file." in refusal(place / "in" / "photo.png", place / "out", TURN)
    assert "empty' with no file." in refusal(place / "empty", place / "out", TURN)
    assert "texts' with 1 file but no image." in refusal(place / "texts", place / "out", TURN)
    assert "OUT_DIR must be a folder; got the file" in refusal(place / "in", place / "texts" / "a.txt", TURN)


def test_places_that_overlap_are_refused_through_links_too(place):
    before = hashes(place)
    (place / "link").symlink_to(place / "in")
    (place / "far").mkdir()
    (place / "far" / "class 0").symlink_to(place / "in" / "class 0")
    (place / "more").mkdir()
    (place / "more" / "linked").symlink_to(place / "in")

    for out, how in {
        "in": "the same folder",
        "link": "the same folder",
        "in/class 0/../../in": "the same folder",
        "in/out": "which leads into it",
        "link/deep/out": "which leads into it",
        "far": "which leads into it",
        ".": "which holds it",
    }.items():
        message = refusal(place / "in", place / out, TURN, force=True)
        assert message.startswith("OUT_DIR must lie apart from IN_DIR, "), message
        assert f", {how}. Name another folder." in message
    assert "which leads into it" in refusal(place / "more", place / "in" / "out", TURN)
    assert {name: value for name, value in hashes(place).items() if name in before} == before


def test_links_to_folders_and_files_are_followed_once(place):
    (place / "all").mkdir()
    (place / "all" / "numbers").symlink_to(place / "in" / "class 0")
    (place / "all" / "again").symlink_to(place / "all")
    (place / "all" / "one.png").symlink_to(place / "in" / "photo.png")

    augment_folder(place / "all", place / "out", TURN, copies=1)

    assert sorted(hashes(place / "out")) == ["numbers/0-1.png", "numbers/2-1.png", "numbers/4-1.png", "one-1.png"]


def test_nothing_is_written_over_unless_told_to(place):
    augment_folder(place / "in", place / "out", TURN, copies=1)
    before = hashes(place / "out")
    os.remove(place / "out" / "photo-1.png")

    message = refusal(place / "in", place / "out", Cutout(), copies=2)

    assert "No file must be written over; 7 files of that name there already: " in message
    assert "or write over them with --force." in message
    assert hashes(place / "out") == {name: value for name, value in before.items() if name != "photo-1.png"}
    augment_folder(place / "in", place / "out", Cutout(0.9), copies=1, force=True)
    assert not set(before.values()) & set(hashes(place / "out").values())


def test_broken_files_are_told_by_name_before_anything_is_written_or_left_out(place):
    whole = io.BytesIO()
    Image.fromarray(FLOWER).save(whole, "PNG")
    (place / "in" / "cut.png").write_bytes(whole.getvalue()[:900])
    (place / "in" / "text.jpg").write_text("no image")
    (place / "in" / "gone.png").symlink_to(place / "nothing")

    message = refusal(place / "in", place / "out", TURN)

    assert message.startswith("cut.png is broken: ")
    assert "(3 of 10 files). Nothing is written; mend or delete it, or leave broken files out with" in message
    assert not (place / "out").exists()
    written = augment_folder(place / "in", place / "out", TURN, copies=1, skip_broken=True)
    assert (written.num_images, written.notes) == (7, ("left out, broken: cut.png, gone.png, text.jpg.",))


def test_what_would_lose_bits_or_inks_is_refused(place):
    save(place / "a" / "inks.jpg", Image.fromarray(FLOWER).convert("CMYK"))
    (place / "b").mkdir()
    (place / "b" / "deep.png").write_bytes(png_of_16_bit_colours())
    (place / "c").mkdir()
    (place / "c" / "deep.ppm").write_bytes(b"P6 2 2 65535\n" + bytes(24))
    save(place / "d" / "moving.gif", Image.fromarray(GREY), save_all=True, append_images=[Image.fromarray(GREY.T)])
    save(place / "e" / "real.tif", GREY.astype(np.float32))

    told = {name: refusal(place / name, place / "out", TURN) for name in "abcde"}

    assert told["a"] == "inks.jpg must be grey or colour of 8 bits, or grey of 16; got inks. Convert it."
    assert told["b"] == "deep.png must be grey or colour of 8 bits, or grey of 16; got colour of 16 bits. Convert it."
    assert told["c"] == "deep.ppm must be grey or colour of 8 bits, or grey of 16; got colour of 16 bits. Convert it."
    assert told["d"] == "moving.gif holds several pictures; it must hold one. Store the one that counts."
    assert told["e"] == "real.tif must be grey or colour of 8 bits, or grey of 16; got mode F. Convert it."


def test_what_moves_and_recolours_in_one_is_refused_for_transparency(place):
    save(place / "in" / "clear.png", np.dstack([FLOWER, ALPHA]))

    message = refusal(place / "in", place / "out", "RandAugment")

    assert message.startswith("RandAugment must have images without transparency: ")
    assert "clear.png has some" in message


def test_images_whose_copies_would_have_one_name_are_refused(tmp_path):
    save(tmp_path / "in" / "a.png", GREY)
    save(tmp_path / "in" / "a.gif", GREY)

    message = refusal(tmp_path / "in", tmp_path / "out", TURN)

    assert message.endswith("; a.gif and a.png would both become a-1.png. Rename one.")


def test_a_folder_that_cannot_be_written_to_is_told(place):
    (place / "out").mkdir()
    (place / "out" / "class 0").write_text("in the way")

    message = refusal(place / "in", place / "out", TURN)

    assert message.startswith("OUT_DIR must be a folder that can be written to; got ")
