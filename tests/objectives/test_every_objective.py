"""Promises that every objective keeps."""

from dataclasses import replace

import pytest
import torch
from objectives.two_ranks import BATCH, NAMES, pairs, pretrainer

from qontrast.basics.errors import PlanError
from qontrast.geometry.points import read_points
from qontrast.nets.catalogue import NETS
from qontrast.objectives.catalogue import Objectives
from qontrast.objectives.objective import Across
from qontrast.objectives.pretrainer import Pretrainer, losses_of
from qontrast.tasks.plan_file import read_plan
from qontrast.tasks.plans import PretrainPlan

ALONE = Across()


def loss_of(model, batch):
    return losses_of(model(batch), model.objectives, ALONE)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_by_sample_and_do_not_depend_on_the_other_samples(name):
    model, batch = pretrainer(name), pairs()
    whole = model(batch)
    assert whole
    assert all(len(values) == BATCH for values in whole.values())
    part = model({n: v[1:3] for n, v in batch.items()})
    for row, values in part.items():
        torch.testing.assert_close(values, whole[row][1:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_of_its_head_and_the_encoder_learns(name):
    model = pretrainer(name)
    found = loss_of(model, pairs())
    assert found["loss"].dtype == torch.float32
    found["loss"].backward()
    for parameter, value in model.named_parameters():
        # The loss of dense VICReg, of the encoder's finest level, does not reach the deeper ones.
        deeper = name == "dense_vicreg" and parameter.startswith("encoder.down")
        if "bias" not in parameter and not deeper:
            assert float(value.grad.abs().sum()) > 0, parameter


@pytest.mark.parametrize("name", NAMES)
def test_a_few_steps_on_one_batch_bring_it_down(name):
    model, batch = pretrainer(name), pairs()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    first = float(loss_of(model, batch)["loss"].detach())
    for _ in range(12):
        loss = loss_of(model, batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss_of(model, batch)["loss"].detach()) < first


@pytest.mark.parametrize("name", NAMES)
def test_under_autocast_the_loss_is_in_single_precision(name):
    model, batch = pretrainer(name), pairs()
    plain = float(loss_of(model, batch)["loss"].detach())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = loss_of(model, batch)["loss"]
    assert low.dtype == torch.float32
    assert float(low.detach()) == pytest.approx(plain, rel=0.2)


@pytest.mark.parametrize("net", sorted(set(NETS) - {"cnn"}))
def test_every_net_takes_them(net):
    model = Pretrainer(NETS[net](), pretrainer("all").objectives)
    with torch.no_grad():
        found = loss_of(model, {n: v[:2] for n, v in pairs().items()})
    assert all(torch.isfinite(v) for v in found.values())


@pytest.mark.parametrize("name", ["cross_contrast", "quantitative"])
def test_what_is_not_known_takes_no_part(name):
    model, batch = pretrainer(name), pairs()
    wild = {n: v.clone() for n, v in batch.items()}
    for row in ("protocol_a", "protocol_b", "tissue"):
        wild[row][2] = 100.0  # the pair of real scans
    torch.testing.assert_close(loss_of(model, wild)["loss"], loss_of(model, batch)["loss"])
    wild["protocol_a"][1] = wild["tissue"][1] = 100.0
    assert float(loss_of(model, wild)["loss"].detach()) > 1.01 * float(loss_of(model, batch)["loss"].detach())


@pytest.mark.parametrize("name", ["cross_contrast", "quantitative"])
def test_a_batch_of_which_nothing_is_known_has_no_loss(name):
    batch = pairs()
    batch["protocol_known"], batch["tissue_known"] = torch.zeros(BATCH, 1), torch.zeros(BATCH, 5)
    assert float(loss_of(pretrainer(name), batch)["loss"].detach()) == 0


def test_masked_reconstruction_sees_nothing_of_what_is_hidden():
    model, batch = pretrainer("masked"), pairs()
    for view in ("a", "b"):
        batch[f"hidden_{view}"] = torch.zeros(BATCH, 4, 2, 2, dtype=torch.bool)
        batch[f"hidden_{view}"][:, 1, 1, 0] = True
    other = {n: v.clone() for n, v in batch.items()}
    for view in ("a", "b"):
        other[view][:, :, 8:16, 8:16, :8] = 50.0
    torch.testing.assert_close(loss_of(model, other)["loss"], loss_of(model, batch)["loss"], rtol=0, atol=0)
    other["a"][:, :, 0, 0, 0] = 50.0
    assert not torch.equal(loss_of(model, other)["loss"], loss_of(model, batch)["loss"])


def test_the_method_is_the_default():
    assert sorted(Objectives().chosen()) == ["nt_xent", "reconstruction"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nt_xent: {weight: 0}\n  reconstruction: {weight: 0}", "no weight above 0"),
        ("nt_xent: {temperature: 0}", r"objectives\.nt_xent\.temperature"),
        ("nt_xent: {temprature: 1}", "Did you mean 'temperature'"),
        ("masked: {weight: 1, share: 1}", r"objectives\.masked\.share"),
        ("dense_info_nce: {weight: -1}", r"objectives\.dense_info_nce\.weight"),
        ("dense_info_nce: {levels: []}", r"objectives\.dense_info_nce\.levels"),
        ("points: 1", r"objectives\.points"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(tmp_path, text, message):
    file = tmp_path / "plan.yaml"
    file.write_text(f"objectives:\n  {text}\n")
    with pytest.raises(PlanError, match=message):
        read_plan(PretrainPlan, file)


@pytest.mark.parametrize("name", ["dense_info_nce", "dense_vicreg"])
def test_without_a_projector_the_features_themselves_are_compared(name):
    whole = pretrainer(name)
    bare = Pretrainer(whole.encoder, {name: replace(whole.objectives[name], hidden=0, of="encoder", levels=(0,))})
    assert not any(name in parameter for parameter, _ in bare.named_parameters())
    batch = pairs()
    images = torch.cat((batch["a"], batch["b"]))
    read = read_points(whole.encoder.features(images)[0].chunk(2)[0], batch["points_a"], 1)
    torch.testing.assert_close(next(v for k, v in bare(batch).items() if k.endswith("a0")), read)
    loss_of(bare, batch)["loss"].backward()
    assert float(whole.encoder.conv_0.conv_0.conv.weight.grad.abs().sum()) > 0


def test_a_level_that_is_not_there_is_refused():
    asked = {"dense_info_nce": replace(Objectives().dense_info_nce, weight=1.0, levels=(7,))}
    with pytest.raises(PlanError, match=r"level 7.*0 to 3"):
        Pretrainer(NETS["cnn-nano"](), asked)
