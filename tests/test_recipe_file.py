"""A recipe file with [training]: there and back, a training repeated from it, and one sentence for what is wrong."""

import pytest
import torch

import dampen
from dampen import CNN, MLP, SGD, DampenError, Dropout, EarlyStopping, LabelSmoothing, MixUp, Recipe, Settings
from dampen.recipe_file import from_toml, load_training, to_toml
from dampen.worlds import small_data

RECIPE = Recipe((Dropout(0.3), MixUp(0.2), LabelSmoothing()), SGD(0.05))
SETTINGS = Settings(MLP((32, 16), "tanh"), 7, 12, 3, "log_loss", "float32", {"channels_last": False, "threads": 1})
GOOD = to_toml(RECIPE, SETTINGS)


@pytest.mark.parametrize("settings", [Settings(), SETTINGS, Settings(CNN()), Settings(seed=2**32 - 1, plan={})])
def test_settings_come_back(settings):
    assert from_toml(to_toml(RECIPE, settings)) == (RECIPE, settings)


def test_a_recipe_file_with_training_is_a_recipe_file(tmp_path):
    """`compare --recipe FILE` takes the recipe and leaves the rest aside."""
    path = tmp_path / "winner.toml"
    path.write_text(GOOD)

    assert dampen.load_recipe(path) == RECIPE
    assert load_training(path) == (RECIPE, SETTINGS)


def test_without_training_everything_has_its_default():
    assert from_toml(RECIPE.to_toml()) == (RECIPE, Settings())


def test_a_network_of_ones_own_is_left_out():
    recipe, settings = from_toml(to_toml(RECIPE, Settings(lambda: None, epochs=3)))

    assert (recipe, settings) == (RECIPE, Settings(epochs=3))


def test_a_person_may_write_a_few_lines():
    text = '[[techniques]]\nname = "Dropout"\n[training]\nepochs = 5\n[training.model]\nname = "MLP"\nhidden = [64]\n'

    assert from_toml(text) == (Recipe(Dropout()), Settings(MLP((64,)), epochs=5))


@pytest.mark.parametrize("network", [MLP((9,)), CNN((4,))])
def test_a_training_is_repeated_bit_for_bit_from_its_file(network):
    first = dampen.fit(network, small_data(), "Dropout + EarlyStopping", epochs=4, batch_size=16, seed=5)
    recipe, settings = from_toml(to_toml(first.member.recipe, first.settings))

    second = dampen.fit(settings.model, small_data(), recipe, **settings.arguments)

    assert first.member.recipe == Recipe((Dropout(), EarlyStopping())) == recipe
    assert first.test == second.test
    torch.testing.assert_close(second.params, first.params, rtol=0, atol=0)


def test_the_plan_of_an_earlier_training_is_followed():
    plan = {"channels_last": True, "threads": 1}

    fitted = dampen.fit(CNN((4,)), small_data(), epochs=1, precision="bf16", plan=plan)

    assert (fitted.plan.channels_last, fitted.plan.threads, fitted.plan.precision) == (True, 1, "bf16")
    assert fitted.settings.plan == plan


def test_every_epoch_is_told():
    told = []

    dampen.fit(MLP((4,)), small_data(), epochs=3, watch=lambda done, total: told.append((done, total)))

    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs = 7", "epoch = 7", "Unknown value of [training] 'epoch'. Did you mean 'epochs'?"),
        ("epochs = 7", "epochs = 0", "epochs must be a whole number, at least 1; got 0."),
        ("epochs = 7", "epochs = true", "epochs must be a whole number, at least 1; got True."),
        ("epochs = 7", "epochs = 7.5", "epochs must be a whole number, at least 1; got 7.5."),
        ("batch_size = 12", "batch_size = '12'", "batch_size must be a whole number, at least 1; got '12'."),
        ("seed = 3", "seed = -1", "A seed must be a whole number from 0 to 2^32 - 1; got -1."),
        ("'log_loss'", "3", "metric must be the name of one, such as accuracy; got 3."),
        ("'float32'", "'fp16'", "precision must be one of auto, float32, bf16; got 'fp16'."),
        ("'float32'", "['float32']", "precision must be one of auto, float32, bf16; got ['float32']."),
        ("threads = 1", "threads = -1", "plan.threads must be a whole number from 0 to 1024; got -1."),
        ("threads = 1", "threads = 10000000", "plan.threads must be a whole number from 0 to 1024; got 10000000."),
        ("threads = 1", "thread = 1", "Unknown value of a plan 'thread'. Did you mean 'threads'?"),
        ("channels_last = false", "channels_last = 0", "plan.channels_last must be true or false; got 0."),
        ("'MLP'", "'MPL'", "Unknown network 'MPL'. Did you mean 'MLP'?"),
        ("activation", "activations", "Unknown argument of MLP 'activations'. Did you mean 'activation'?"),
        ("[training]", "[traning]", "A recipe has [optimizer] and [[techniques]] only; got 'traning'."),
        ("[training]", "[training.more]", "Unknown value of [training] 'more'"),
    ],
)
def test_a_mistake_in_training_is_one_sentence_with_the_name_of_the_file(old, new, said, tmp_path):
    path, text = tmp_path / "mine.toml", GOOD.replace('"', "'")
    assert old in text
    path.write_text(text.replace(old, new))
    if old == "[training]" and new == "[traning]":
        path.write_text(text.replace("[training", "[traning"))

    with pytest.raises(DampenError) as raised:
        load_training(path)

    assert said in str(raised.value)
    assert repr(str(path)) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["training = 3", "training = []", "x = " + "[" * 5000])
def test_odd_tables_are_refused(text):
    with pytest.raises(DampenError):
        from_toml(text + "\n" + Recipe().to_toml())


def test_settings_are_checked_in_python_too():
    for values in ({"epochs": 0}, {"seed": 2**32}, {"plan": 3}, {"precision": None}, {"metric": 1}):
        with pytest.raises(DampenError):
            Settings(**values)
