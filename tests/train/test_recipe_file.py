"""Recipes: what is read, what is refused and where, what `--set` changes, what is written."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.train.errors import TrainError
from archspec.train.recipe import NO_AUGMENT, Adam, EarlyStopping, Recipe, Sgd
from archspec.train.recipe_file import as_yaml, changed, list_recipes, parse_recipe, read_recipe
from tests.conftest import RunCli


def parse(text: str, **settings: object) -> Recipe:
    return parse_recipe(f"recipe: 1\n{text}", "r.yaml", settings)


def complaints(text: str) -> list[str]:
    with pytest.raises(TrainError) as raised:
        parse(text)
    assert raised.value.exit_code == 2
    return str(raised.value).splitlines()


@pytest.mark.parametrize("name", sorted(list_recipes()))
def test_every_recipe_that_comes_along_is_read_and_written_back(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.source
    assert parse_recipe(as_yaml(recipe), "back.yaml", {}) == recipe


def test_the_defaults_are_the_tutorials() -> None:
    tutorial = read_recipe("tutorial")
    assert Recipe(name=tutorial.name, source=tutorial.source) == tutorial
    assert tutorial.optimizer == Adam(lr=2e-4)
    assert (tutorial.batch_size, tutorial.epochs) == (32, 10)


def test_alexnet_of_2012_is_what_the_paper_says() -> None:
    recipe = read_recipe("alexnet2012")
    assert recipe.optimizer == Sgd(lr=0.01, momentum=0.9, weight_decay=5e-4)
    assert (recipe.batch_size, recipe.epochs, recipe.schedule.name) == (128, 90, "step")
    assert (recipe.augment.pca, recipe.augment.mirror, recipe.test.name) == (0.1, 0.5, "ten")


def test_short_forms_stand_for_sections() -> None:
    recipe = parse(
        "schedule: cosine\nearly_stopping: 5\ntest: ten\naugment: {crop: scaled}\n"
        "optimizer: {name: sgd, lr: 1}"
    )
    assert recipe.schedule.name == "cosine"
    assert recipe.early_stopping is not None
    assert recipe.early_stopping.patience == 5
    assert (recipe.test.name, recipe.augment.crop.name) == ("ten", "scaled")
    assert parse("augment: none").augment == NO_AUGMENT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochs: 0", "r.yaml:2:9: epochs: has to be greater than or equal to 1, not 0"),
        ("epochs: '10'", "r.yaml:2:9: epochs: has to be a valid integer, not '10'"),
        ("epochs: true", "r.yaml:2:9: epochs: has to be a valid integer, not true"),
        ("optimzer: adam", "r.yaml:2:1: optimzer: there is no such key; did you mean `optimizer`?"),
        (
            "optimizer: {name: adamm, lr: 1}",
            "r.yaml:2:19: optimizer.name: unknown; did you mean `adam`?",
        ),
        ("optimizer: {name: sgd}", "r.yaml:2:12: optimizer.lr: is missing"),
        (
            "optimizer: {name: adam, lr: 1, momentum: 0.9}",
            "r.yaml:2:32: optimizer.momentum: there is no such key; known here: ",
        ),
        (
            "optimizer: {name: sgd, lr: 1, form: nesterov}",
            "r.yaml:2:12: optimizer: form nesterov needs a momentum above 0",
        ),
        (
            "batch_size: big",
            "r.yaml:2:13: batch_size: has to be a valid integer or 'auto', not 'big'",
        ),
        (
            "augment: {crop: {name: scaled, short_side: [480, 256]}}",
            "r.yaml:2:17: augment.crop: short_side is [least, most]",
        ),
        (
            "normalize: {mean: [0.5], std: [0]}",
            "r.yaml:2:32: normalize.std.0: has to be greater than 0, not 0",
        ),
        (
            "schedule: {name: step}",
            "r.yaml:2:11: schedule: step needs either `every` or `milestones`, in epochs",
        ),
        ("epochs: !!python/object:os.system 1", "r.yaml:2:9: the tag"),
        ("epochs: 1\nepochs: 2", "r.yaml:3:1: "),
    ],
)
def test_what_is_wrong_is_told_at_its_place(text: str, expected: str) -> None:
    (line,) = complaints(text)
    assert line.startswith(expected)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    lines = complaints("epochs: 0\nloss: {label_smoothing: 1}\naugment: {miror: 1}")
    assert [line.partition(": ")[0] for line in lines] == [
        "r.yaml:2:9",
        "r.yaml:3:25",
        "r.yaml:4:11",
    ]


@pytest.mark.parametrize("text", ["", "[]", "epochs: 3", "recipe: 2"])
def test_other_files_are_no_recipes(text: str) -> None:
    with pytest.raises(TrainError, match="begin"):
        parse_recipe(text, "r.yaml", {})


def test_an_unknown_name_is_answered_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"did you mean `tutorial`"):
        read_recipe("tutoral")
    with pytest.raises(TrainError, match=r"nowhere\.yaml"):
        read_recipe(str(tmp_path / "nowhere.yaml"))


def test_settings_replace_single_values() -> None:
    recipe = changed(Recipe(), {"optimizer.lr": 0.1, "augment.pca": 0.1, "epochs": 3})
    assert recipe.optimizer == Adam(lr=0.1)
    assert (recipe.augment.pca, recipe.augment.mirror, recipe.epochs) == (0.1, 0.5, 3)


@pytest.mark.parametrize("settings", [{"optimizer": "sgd"}, {"optimizer.name": "sgd"}])
def test_another_kind_keeps_the_values_that_both_have(settings: dict[str, object]) -> None:
    recipe = changed(Recipe(optimizer=Adam(lr=0.3, weight_decay=1e-4)), settings)
    assert recipe.optimizer == Sgd(lr=0.3, weight_decay=1e-4)


def test_what_a_short_form_stands_for_can_be_changed_further() -> None:
    recipe = changed(Recipe(), {"augment": "none", "augment.hue": 0.1})
    assert recipe.augment == NO_AUGMENT.model_copy(update={"hue": 0.1})
    stopping = {"early_stopping": 3, "early_stopping.metric": "val_accuracy"}
    assert changed(Recipe(), stopping).early_stopping == EarlyStopping(
        patience=3, metric="val_accuracy"
    )


def test_a_setting_of_the_old_kind_is_refused_with_the_new() -> None:
    with pytest.raises(TrainError, match=r"--set optimizer.betas: there is no such key"):
        changed(Recipe(), {"optimizer": "sgd", "optimizer.betas": [0.9, 0.9]})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"optimizer.lrr": 1}, "--set optimizer.lrr: there is no such key; did you mean `lr`?"),
        ({"epochs": 0}, "--set epochs: has to be"),
        ({"optimizer": "sgdd"}, "--set optimizer.name: unknown; did you mean `sgd`?"),
        ({"epochs.x": 2}, "--set epochs: has to be a valid integer"),
        ({"foo.bar": 1}, "--set foo: there is no such key"),
    ],
)
def test_wrong_settings_are_told_by_their_names(settings: dict[str, object], expected: str) -> None:
    with pytest.raises(TrainError) as raised:
        changed(Recipe(), settings)
    assert str(raised.value).startswith(expected)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*Recipe.model_fields, "name", "lr", "crop", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)  # fmt: skip - one strategy
def test_nothing_but_a_recipe_or_a_message_comes_out(value: object) -> None:
    import yaml

    text = yaml.safe_dump({"recipe": 1, **(value if isinstance(value, dict) else {"loss": value})})
    try:
        recipe = parse_recipe(text, "r.yaml", {})
    except TrainError as error:
        assert str(error).startswith("r.yaml:")  # noqa: PT017 - either outcome is right
    else:
        assert parse_recipe(as_yaml(recipe), "back.yaml", {}) == recipe


def test_recipes_are_listed_and_ones_own_come_first(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "tutorial.yaml").write_text("recipe: 1\nname: tutorial\nsource: mine\n")
    (tmp_path / "recipes" / "odd.yaml").write_text("recipe: 2\n")
    listed = run_cli("list", "--recipes", "--format", "json", cwd=tmp_path)
    found = {entry["name"]: entry for entry in json.loads(listed.stdout)}
    assert {"alexnet2012", "odd", "tutorial"} <= set(found)
    assert (found["tutorial"]["source"], found["tutorial"]["file"]) == (
        "mine",
        "recipes/tutorial.yaml",
    )
    assert "not a recipe" in found["odd"]["source"]
    text = run_cli("list", "--recipes", cwd=tmp_path).stdout
    assert [line.split()[0] for line in text.splitlines()] == sorted(found)
