import pytest

from qontrast.anatomy.classes import STRUCTURE_CLASSES, TISSUE_OF, class_names, in_words_of
from qontrast.anatomy.label_table import BUILT_IN, read_label_table
from qontrast.anatomy.priors import FREESURFER, PRIORS, TISSUE_CLASSES, Prior
from qontrast.basics.errors import InputError

NUMBERS = "index\tname\tt1\tt2\tt2star\tpd\tmt"


def table(tmp_path, *lines, encoding="utf-8"):
    path = tmp_path / "labels.tsv"
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


@pytest.mark.parametrize(
    ("label", "tissue"),
    [
        (0, "air"),
        (2, "white matter"),
        (42, "cortical grey matter"),
        (1035, "cortical grey matter"),
        (2001, "cortical grey matter"),
        (10, "thalamus"),
        (43, "cerebrospinal fluid"),
        (16, "brain stem"),
        (258, "soft tissue"),
        (515, "cortical bone"),
    ],
)
def test_freesurfers_labels_are_built_in(label, tissue):
    assert BUILT_IN.tissues[label] == tissue
    assert BUILT_IN.priors[label] == PRIORS[tissue]


@pytest.mark.parametrize(
    ("label", "structure"),
    [
        (0, "background"), (258, "background"), (515, "background"), (3, "grey matter"), (53, "grey matter"),
        (2, "white matter"), (24, "cerebrospinal fluid"), (10, "deep grey matter"), (28, "deep grey matter"),
        (4, "ventricles"), (15, "ventricles"), (31, "ventricles"), (8, "cerebellar grey matter"),
        (46, "cerebellar white matter"), (16, "brain stem"),
    ],
)  # fmt: skip
def test_structures_add_up_to_tissues(label, structure):
    names = class_names("structures")
    assert names[BUILT_IN.classes("structures")[label]] == structure
    tissue = list(TISSUE_CLASSES)[BUILT_IN.classes()[label]]
    assert in_words_of((structure,), tuple(TISSUE_CLASSES)) == (tissue,)
    assert in_words_of((structure,), names) == (structure,)


def test_every_brain_label_is_in_both_schemes_or_in_none():
    tissues, structures = BUILT_IN.classes(), BUILT_IN.classes("structures")
    assert {label for label, index in tissues.items() if index} == {
        label for label, index in structures.items() if index
    }
    assert set(TISSUE_OF) == set(STRUCTURE_CLASSES) - {"background"}


def test_every_name_that_a_label_or_class_uses_has_a_prior():
    used = {*FREESURFER.values(), *(name for names in TISSUE_CLASSES.values() for name in names)}
    assert used <= set(PRIORS)
    assert len({name for names in TISSUE_CLASSES.values() for name in names}) == sum(map(len, TISSUE_CLASSES.values()))


@pytest.mark.parametrize(
    ("tissue", "t1", "t2", "t2star", "pd"),
    [  # published ranges at 3 T, s and ms
        ("white matter", (0.83, 0.93), (69, 79), (45, 53), (0.69, 0.72)),
        ("cortical grey matter", (1.33, 1.65), (68, 110), (55, 66), (0.80, 0.84)),
        ("thalamus", (0.95, 1.3), (65, 95), (25, 55), (0.73, 0.82)),
        ("pallidum", (0.95, 1.3), (60, 95), (20, 45), (0.70, 0.82)),
        ("cerebrospinal fluid", (3.8, 4.5), (1500, 2200), (500, 2200), (1.0, 1.0)),
        ("arterial blood", (1.65, 1.9), (100, 165), (20, 165), (0.7, 0.9)),
        ("fat", (0.365, 0.385), (70, 130), (20, 70), (0.7, 1.0)),
        ("muscle", (1.0, 1.4), (30, 40), (15, 40), (0.7, 0.9)),
    ],
)
def test_priors_lie_in_the_published_ranges(tissue, t1, t2, t2star, pd):
    prior = PRIORS[tissue]
    for value, (low, high) in zip((prior.t1, prior.t2, prior.t2star, prior.pd), (t1, t2, t2star, pd), strict=True):
        assert low <= value <= high


@pytest.mark.parametrize("name", sorted(set(PRIORS) - {"air"}))
def test_no_tissue_breaks_the_order_of_relaxation_times(name):
    prior = PRIORS[name]
    assert 0 < prior.t2star <= prior.t2 <= 1000 * prior.t1
    assert 0 < prior.pd <= 1
    assert 0 <= prior.mt < 5


def test_classes_follow_the_tissue():
    classes = BUILT_IN.classes()
    assert [classes[k] for k in (0, 258, 3, 10, 47, 2, 16, 77, 24, 43, 31)] == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("key", ["index", "value"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_may_name_our_tissues(tmp_path, key, encoding):
    found = read_label_table(table(tmp_path, f"{key}\ttissue", "1\twhite matter", "2\tfat", encoding=encoding))
    assert found.tissues == {1: "white matter", 2: "fat", 0: "air"}
    assert found.priors == {1: PRIORS["white matter"], 2: PRIORS["fat"], 0: PRIORS["air"]}
    assert found.classes() == {0: 0, 1: 2, 2: 0}


def test_a_table_may_give_its_own_numbers(tmp_path):
    path = table(
        tmp_path,
        f"{NUMBERS}\tspread\ttissue",
        "7\tgel\t1.5\t60\t40\t0.9\t0\t0.2\t",
        "8\tplaque\t1.2\t110\t70\t0.8\t0.7\t\twhite matter",
    )
    found = read_label_table(path)
    assert found.priors[7] == Prior(1.5, 60, 40, 0.9, 0, 0.2)
    assert found.priors[8] == Prior(1.2, 110, 70, 0.8, 0.7)
    assert found.tissues == {7: "gel", 8: "white matter", 0: "air"}
    assert found.classes() == {7: 0, 8: 2, 0: 0}
    assert found.origin == str(path)


def test_a_table_of_names_alone_is_read_by_freesurfers_indices(tmp_path):
    found = read_label_table(table(tmp_path, "index\tname", "2\tleft cerebral white matter", "9999\tsomething else"))
    assert found.tissues == {2: "white matter", 0: "air"}


def numbers(**changed):
    """A table of one label with its own numbers, some of them changed."""
    row = {"t1": "1.5", "t2": "60", "t2star": "40", "pd": "0.9", "mt": "0"} | changed
    return [NUMBERS, "\t".join(["7", "gel", *row.values()])]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (numbers(t1="1500"), "line 2: found t1 = 1500; wanted seconds, below 20. Divide ms by 1000."),
        (numbers(pd="82"), "line 2: found pd = 82; wanted a fraction. Divide percent by 100."),
        (numbers(t2="0"), "line 2: found a relaxation time of 0 or less"),
        (numbers(t1="nan"), "line 2: found a negative or infinite number"),
        (numbers(mt="-1"), "line 2: found a negative or infinite number"),
        (numbers(t1="long"), "line 2: found could not convert string to float: 'long'"),
        (
            numbers(t2star="", pd="", mt=""),
            "line 2: found no t2star, pd, mt; wanted t1, t2, t2star, pd and mt together.",
        ),
        (["index\tt1\tt2", "7\t1.5\t60"], "line 2: found no t2star, pd, mt; wanted t1, t2, "),
        (
            ["index\ttissue", "1\tfat", "2\twite matter"],
            "line 3: found the tissue 'wite matter'; wanted a known tissue.",
        ),
        (["index\ttissue", "2\twite matter"], "Did you mean 'white matter'?"),
        (["index\ttissue", "2\tzzz"], "Known: air, white matter, "),
        (["index\ttissue", "two\tfat"], "line 2: found the index 'two'; wanted a whole number."),
        (["label\ttissue", "2\tfat"], "found columns label, tissue; wanted a column named index. It is a TSV."),
        (["index,tissue", "2,fat"], "found columns index,tissue; wanted a column named index. It is a TSV."),
        (["index\ttissue"], "found no row; wanted a row for each label. The columns are separated by tabs."),
    ],
)
def test_a_table_with_an_error_is_refused_by_its_line(tmp_path, lines, message):
    path = table(tmp_path, *lines)
    with pytest.raises(InputError) as caught:
        read_label_table(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_a_table_that_is_absent_or_no_text_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"none\.tsv: found no readable table .*No such file"):
        read_label_table(tmp_path / "none.tsv")
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04\xff\xfe\x00")
    with pytest.raises(InputError, match=r"book\.xlsx: found no readable table .*wanted a TSV"):
        read_label_table(tmp_path / "book.xlsx")


def test_names_of_a_tissue_segmentation_come_before_freesurfers_indices(tmp_path):
    path = tmp_path / "seg.tsv"
    path.write_text("index\tname\n0\tbackground\n1\tgrey matter\n2\tWM\n3\tcerebrospinal fluid\n")
    assert read_label_table(path).classes() == {0: 0, 1: 1, 2: 2, 3: 3}


def test_a_table_that_names_tissue_never_falls_back_on_freesurfers_indices(tmp_path):
    path = tmp_path / "dseg.tsv"
    path.write_text("index\tname\n1\tGray Matter\n2\tWhite Matter\n3\tCSF\n4\tBone\n7\tTumour\n10\tBrainstem\n")
    table = read_label_table(path)
    assert table.tissues[4] == "cortical bone"
    assert table.tissues[10] == "brain stem"
    assert 7 not in table.priors  # FreeSurfer's 7 is cerebellar white matter
