"""A study's plan: what is refused, by the field's name; its cells and their names."""

from pathlib import Path

import pytest

from qontrast.basics.errors import PlanError
from qontrast.studies.grid import cells_of, check_plans
from qontrast.studies.plan import StudyPlan
from qontrast.tasks.plan_file import plan_of, plan_text, read_plan

MINI = Path(__file__).parents[2] / "recipes" / "study-mini.yaml"


def test_the_recipe_is_the_study_that_the_project_promises():
    plan = read_plan(StudyPlan, MINI)
    check_plans(plan)
    assert (len(plan.sites), len(cells_of(plan)), plan.fractions) == (6, 24, (1, 3, 10))
    assert set(plan.arms) == {"scratch", "base", "seqaug", "seqinv"}


def test_it_goes_through_yaml_with_counts_and_shares_told_apart(study_plan, tmp_path):
    for fractions in ([1, 3], [0.1, 1.0]):
        plan = study_plan("embedded", fractions=fractions)
        file = tmp_path / "study.yaml"
        file.write_text(plan_text(plan))
        again = read_plan(StudyPlan, file)
        assert again == plan
        assert [type(f) for f in again.fractions] == [type(f) for f in fractions]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sites": {"here": {"contrasts": {"T1w": "mprag"}}}, "train": ["here/T1w"]}, "no scan|not there|such folder"),
        ({"sites": {"here": {"contrasts": {"T1w": "mprage", "T2w": "fsee"}}}}, r"sites\.here\.contrasts.*fsee.*'fse'"),
        ({"sites": {"here": {"contrast": {}}}}, r"sites\.here\.contrast'.*Did you mean 'contrasts'"),
        ({"sites": {"he/re": {"contrasts": {"T1w": "mprage"}}}}, "he/re.*letters, digits and hyphens"),
        ({"train": ["there/T1w"]}, "train.*there/T1w.*here/T1w"),
        ({"arms": {"a": {"pretrain": {"views": {"arm": "seqin"}}}}}, r"arms.*seqin"),
        ({"arms": {"a": {"pretrain": {"batchh": 3}}}}, r"arms\.a.*batchh.*'batch'"),
        ({"arms": {"a": {"encoder": "x", "plan": "y"}}}, r"arms\.a.*one of them"),
        ({"fractions": [1, 0.5]}, "fractions.*alone"),
        ({"fractions": [1.5]}, r"fractions.*1\.5"),
        ({"fractions": [0]}, "fractions.*0"),
        ({"fractions": [3, 3]}, "fractions.*twice"),
        ({"seeds": []}, "seeds.*none"),
        ({"split": {"train": 0.9, "validation": 0.1, "test": 0.2}}, "split.*make 1"),
        ({"split": {"train_subjects": ["sub-1"], "test_subjects": ["sub-1"]}}, "test_subjects.*sub-1.*train_subjects"),
        ({"schedules": ["frozzen"]}, "frozzen"),
        ({"schedules": ["frozen"]}, "schedules.*Add full"),
        ({"finetune": {"encoder": "x"}}, r"finetune\.encoder.*study itself"),
        ({"tasks": {"tissue": {"views": {"crop": 40}}}}, r"views\.crop.*40"),
        ({"snr": 0}, "snr"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_field(study_plan, people, changes, said, tmp_path):
    from qontrast.basics.errors import InputError
    from qontrast.studies.study import open_study

    with pytest.raises(InputError, match=said):
        open_study(study_plan("embedded", **changes), tmp_path / "study", quiet=True)
    assert not (tmp_path / "study" / "splits.json").exists()


def test_keys_are_readable_distinct_and_sorted(study_plan):
    arms = {"scratch": {}, "ours": {"pretrain": {}}}
    plan = study_plan("embedded", arms=arms, fractions=[0.1, 1.0], seeds=[0, 1])
    keys = [cell.key for cell in cells_of(plan)]
    assert keys == sorted(set(keys))
    assert len(keys) == 8
    assert keys[0] == "tissue_here-T1w_ours_full_0.1_s0"


def test_a_schedule_that_keeps_the_encoder_leaves_out_the_arm_without_one(study_plan):
    arms = {"scratch": {}, "ours": {"pretrain": {}}}
    cells = cells_of(study_plan("embedded", arms=arms, schedules=["full", "frozen"]))
    assert {(cell.arm, cell.schedule) for cell in cells} == {
        ("scratch", "full"), ("ours", "full"), ("ours", "frozen")
    }  # fmt: skip


def test_an_error_in_a_named_part_says_where(study_plan):
    with pytest.raises(PlanError, match=r"arms\.scratch: no fields"):
        plan_of(StudyPlan, {"arms": {"scratch": None}}, "a plan")
