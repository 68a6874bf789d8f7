"""Where pictures come from: train/ and val/ folders, tables, and names of any kind."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.train.data.dataset import Dataset, load_dataset
from archspec.train.data.decode import decode_picture
from archspec.train.data.split import dataset_split, stratified_split
from archspec.train.errors import TrainError

SHAPE = (3, 16, 16)


def load(source: Path) -> Dataset:
    return load_dataset(str(source), SHAPE, cache_folder=None)


def draw(path: Path, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20), (shade, 0, 0)).save(path)
    return path


def shades(dataset: Dataset, places: tuple[int, ...]) -> list[int]:
    return [int(dataset.pictures[place][0, 0, 0]) for place in places]


def divided(root: Path, val: str) -> Path:
    for shade, name in enumerate(["ant", "bee"]):
        for number in range(3):
            draw(root / "train" / name / f"{number}.png", 10 * shade + number)
    draw(root / val / "bee" / "0.png", 100)
    return root


# --- folders --------------------------------------------------------------------------------------


@pytest.mark.parametrize("val", ["val", "valid", "validation", "test"])
def test_train_and_val_folders_are_the_split(tmp_path: Path, val: str) -> None:
    dataset = load(divided(tmp_path, val))
    assert dataset.classes == ("ant", "bee")
    assert dataset.names[0] == "train/ant/0.png"
    assert dataset.names[6:] == (f"{val}/bee/0.png",)
    split = dataset_split(dataset, seed=5)
    assert split == dataset.fixed_split
    assert shades(dataset, split.train) == [0, 1, 2, 10, 11, 12]
    assert shades(dataset, split.val) == [100]
    assert [dataset.labels[place] for place in split.val] == [1]
    assert dataset.notes == (f"held out are the pictures in {val}/",)


def test_beside_val_a_test_folder_is_left_aside(tmp_path: Path) -> None:
    divided(tmp_path, "val")
    draw(tmp_path / "test" / "unlabelled.png")
    dataset = load(tmp_path)
    assert len(dataset.names) == 7
    assert dataset.notes == ("held out are the pictures in val/; test/ left aside",)


def test_a_class_may_be_missing_in_val_but_not_in_train(tmp_path: Path) -> None:
    draw(divided(tmp_path, "val") / "val" / "cat" / "0.png")
    with pytest.raises(TrainError, match="has a class 'cat' that train/ has not"):
        load(tmp_path)


def test_two_parts_to_hold_out_are_refused(tmp_path: Path) -> None:
    draw(divided(tmp_path, "val") / "valid" / "ant" / "0.png")
    with pytest.raises(TrainError, match="has val/ and valid/: which"):
        load(tmp_path)


def test_pictures_directly_in_train_are_not_taken_for_a_class(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "0.png")
    draw(tmp_path / "val" / "0.png")
    with pytest.raises(TrainError, match="train: no folders"):
        load(tmp_path)
    draw(tmp_path / "car" / "0.png")  # but with others, train may well be a class
    assert load(tmp_path).classes == ("car", "train", "val")


def test_empty_parts_are_refused(tmp_path: Path) -> None:
    divided(tmp_path, "val")
    (tmp_path / "val" / "bee" / "0.png").unlink()
    with pytest.raises(TrainError, match="val: no pictures"):
        load(tmp_path)
    (tmp_path / "val" / "bee" / "0.png").write_text("broken")
    with pytest.raises(TrainError, match="no picture that is held out can be read"):
        load(tmp_path)
    (tmp_path / "train" / "cat").mkdir()
    with pytest.raises(TrainError, match="no pictures in the class folder cat"):
        load(tmp_path)


def test_a_class_that_can_only_be_read_in_val_is_refused(tmp_path: Path) -> None:
    for path in (divided(tmp_path, "val") / "train" / "bee").iterdir():
        path.write_text("broken")
    with pytest.raises(TrainError, match=r"no picture of class 'bee' can be read \(train/bee/0"):
        load(tmp_path)


def test_broken_pictures_do_not_shift_the_split(tmp_path: Path) -> None:
    (divided(tmp_path, "val") / "train" / "ant" / "1.png").write_text("broken")
    dataset = load(tmp_path)
    split = dataset_split(dataset, seed=0)
    assert shades(dataset, split.train) == [0, 2, 10, 11, 12]
    assert shades(dataset, split.val) == [100]


def test_names_may_be_of_any_kind(tmp_path: Path) -> None:
    classes = ["Ähre & Löwenzahn", "two words", "日本", 'a"b', "-x", os.fsdecode(b"\xff\xfe")]
    for shade, name in enumerate(classes):
        draw(tmp_path / "data" / name / "a b\n.png", shade)
        draw(tmp_path / "data" / name / os.fsdecode(b"\xe9.png"), shade)
    for _ in range(2):  # the second time from the cache
        dataset = load_dataset(
            str(tmp_path / "data"), SHAPE, cache_folder=tmp_path / "cache", strict=True
        )
        assert set(dataset.classes) == set(classes)
        for place, name in enumerate(dataset.names):
            label = dataset.classes[dataset.labels[place]]
            assert name.startswith(f"{label}/")
            assert shades(dataset, (place,)) == [classes.index(label)]
        split = dataset_split(dataset, seed=0)
        assert len(split.val) == len(split.train) == 6


# --- tables ---------------------------------------------------------------------------------------


def table(root: Path, text: str, name: str = "list.csv", encoding: str = "utf-8") -> Path:
    path = root / name
    path.write_text(text, encoding=encoding, newline="")
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for shade in range(6):
        draw(tmp_path / "pictures" / f"{shade}.png", shade)
    return tmp_path


@pytest.mark.parametrize(
    "head", ["path,label", "label,path", "Class,FILE", "image , class", "filename,label"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_table_names_files_and_classes(
    pictures: Path, head: str, encoding: str, newline: str
) -> None:
    labels = ["Tulpe, rot", 'a "b"', "日本"]
    rows = [(f"pictures/{shade}.png", labels[shade % 3]) for shade in range(6)]
    quoted = [f'{path},"{label.replace(chr(34), chr(34) * 2)}"' for path, label in rows]
    if head.lower().startswith(("label", "class")):
        quoted = [f"{line.partition(',')[2]}, {line.partition(',')[0]}" for line in quoted]
    path = table(pictures, newline.join([head, *quoted, "", ""]), encoding=encoding)
    dataset = load(path)
    assert dataset.source == str(path)
    assert dataset.classes == tuple(sorted(labels))
    assert dataset.names == tuple(path for path, _ in rows)
    assert [dataset.classes[label] for label in dataset.labels] == [label for _, label in rows]
    assert shades(dataset, tuple(range(6))) == list(range(6))
    assert dataset.fixed_split is None


def test_a_tsv_and_paths_outside_of_its_folder(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    rows = ["path\tlabel"]
    rows += [f"../pictures/{shade}.png\tx,y" for shade in range(2)]
    rows += [f"{pictures}/pictures/{shade}.png\tz" for shade in range(2, 4)]
    dataset = load(table(tmp_path / "lists", "\n".join(rows), "list.tsv"))
    assert dataset.classes == ("x,y", "z")
    assert shades(dataset, (0, 1, 2, 3)) == [0, 1, 2, 3]
    assert len(dataset_split(dataset, seed=0).val) == 2


@pytest.mark.parametrize("val", ["val", "Valid", "validation", "test"])
def test_a_table_may_have_the_split(pictures: Path, val: str) -> None:
    rows = [f"pictures/{n}.png,{n % 2},{val if n == 3 else 'train'}" for n in range(6)]
    dataset = load(table(pictures, "\n".join(["path,label,split", *rows])))
    split = dataset_split(dataset, seed=1)
    assert shades(dataset, split.val) == [3]
    assert shades(dataset, split.train) == [0, 1, 2, 4, 5]
    assert dataset.notes == (f"held out are the rows of split {val.lower()}",)


def test_in_a_table_test_stands_aside_where_there_is_val(pictures: Path) -> None:
    splits = ["train", "train", "val", "test", "test", "train"]
    rows = [f"pictures/{n}.png,{n % 2},{split}" for n, split in enumerate(splits)]
    dataset = load(table(pictures, "\n".join(["path,label,split", *rows])))
    assert dataset.names == tuple(f"pictures/{n}.png" for n in (0, 1, 2, 5))
    assert dataset.notes == ("held out are the rows of split val; 2 of test left aside",)


def test_every_bad_row_is_named_with_its_line(pictures: Path) -> None:
    rows = [
        "path,label,split",
        "pictures/0.png,a,train",
        "pictures/7.png,a,train",  # 3
        "pictures/1.png, ,train",  # 4
        "",
        "pictures/../pictures/0.png,b,val",  # 6
        "pictures/2.png,a,trian",  # 7
        "pictures/3.png,a",  # 8
        "pictures,b,val",  # 9
        ",b,val",  # 10
        '"pictures/\n4.png",b,val',  # 11, and 12
        "pictures/5.png,b,",  # 13
    ]
    with pytest.raises(TrainError) as caught:
        load(table(pictures, "\n".join(rows)))
    assert str(caught.value).splitlines()[1:] == [
        "  line 3: pictures/7.png: No such file or directory",
        "  line 4: no label",
        "  line 6: pictures/../pictures/0.png is in line 2 already",
        "  line 7: split 'trian' is none of train, val, valid, validation, test",
        "  line 8: 2 cells where the head has 3",
        "  line 9: pictures: is a folder",
        "  line 10: no path",
        "  line 11: pictures/",
        "4.png: No such file or directory",
        "  line 13: split '' is none of train, val, valid, validation, test",
    ]
    assert caught.value.exit_code == 2


def test_of_many_bad_rows_ten_are_shown(tmp_path: Path) -> None:
    rows = [f"{n}.png,a" for n in range(13)]
    with pytest.raises(TrainError, match=r"(?s)line 11: 9\.png.*… and 3 more") as caught:
        load(table(tmp_path, "\n".join(["path,label", *rows])))
    assert "10.png" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no path and no label"),
        ("pictures/0.png,a\n", "line 1 has to name the columns"),
        ("path,name\npictures/0.png,a\n", "there is no label"),
        ("path,label\n", "names no pictures"),
        ('path,label\npictures/0.png,"a\n', "cannot be read as a table"),
        ("path,label,split\npictures/0.png,a,train\n", "no row has the split val"),
        (
            "path,label,split\npictures/0.png,a,train\npictures/1.png,b,val\n",
            "class 'b' has no row of split train",
        ),
        ("path,label\npictures/\0.png,a\n", "null byte"),
        ("path,label\npictures/0.png,a\npictures/1.png,b\n", None),
    ],
)
def test_tables_that_cannot_be_used_are_refused(
    pictures: Path, text: str, message: str | None
) -> None:
    path = table(pictures, text)
    if message is None:
        with pytest.raises(TrainError, match="class 'a' has 1 picture: a split needs 2"):
            dataset_split(load(path), seed=0)
        return
    with pytest.raises(TrainError, match=message):
        load(path)


def test_a_table_in_another_encoding_is_refused(pictures: Path) -> None:
    path = table(pictures, "path,label\npictures/0.png,Löwenzahn\n", encoding="latin-1")
    with pytest.raises(TrainError, match=r"line 2: the label .* is not UTF-8"):
        load(path)
    with pytest.raises(TrainError, match="No such file"):
        load(pictures / "missing.csv")


def test_a_file_name_in_a_table_need_not_be_utf8(pictures: Path) -> None:
    name = os.fsdecode(b"\xe9.png")
    draw(pictures / name, 77)
    (pictures / "list.csv").write_bytes(b"path,label\n\xe9.png,a\npictures/0.png,b\n")
    dataset = load(pictures / "list.csv")
    assert dataset.names[0] == name
    assert np.array_equal(dataset.pictures[0], decode_picture(pictures / name, 19, 3))


# --- the split ------------------------------------------------------------------------------------


def test_without_a_split_of_its_own_a_fraction_is_held_out(flowers: Path) -> None:
    dataset = load(flowers)
    assert dataset.fixed_split is None
    for fraction in (0.1, 0.25):
        split = dataset_split(dataset, 3, fraction)
        assert split == stratified_split(dataset.names, dataset.labels, 3, fraction)
        held_out = [dataset.labels[place] for place in split.val]
        assert [held_out.count(label) for label in range(2)] == [fraction * 20] * 2


def test_the_order_of_a_tables_rows_does_not_move_the_split(pictures: Path) -> None:
    rows = [f"pictures/{n}.png,{n % 2}" for n in range(6)]
    held_out = []
    for order in (rows, rows[::-1], rows[3:] + rows[:3]):
        dataset = load(table(pictures, "\n".join(["path,label", *order])))
        held_out.append({dataset.names[place] for place in dataset_split(dataset, 0).val})
    assert held_out[0] == held_out[1] == held_out[2]
