"""Weights moved by one ulp: all trainable ones, by no more, and nothing else in the process notices."""

from __future__ import annotations

import torch
from torch import nn

from sdpa_exp.injection.perturb import perturb


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1, bias=False))
    layers[2].requires_grad_(False)
    return layers


def first_weight(model: nn.Sequential) -> torch.Tensor:
    return next(model.parameters()).detach()


def ulps(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Distance of floats of one sign in units of the last place: that of their bit patterns."""
    return (a.detach().view(torch.int32).long() - b.detach().view(torch.int32).long()).abs()


def test_every_trainable_value_but_0_moves_by_one_ulp_up_or_down() -> None:
    before, after = network(), network()
    report = perturb(after, seed=0)
    moved = 0
    for (name, a), b in zip(before.named_parameters(), after.parameters(), strict=True):
        distance = ulps(a, b)
        expected = (a != 0).long() if a.requires_grad else torch.zeros_like(a).long()
        assert torch.equal(distance, expected), name
        moved += int(distance.sum())
    weight = first_weight(before) - first_weight(after)
    assert (weight > 0).any()
    assert (weight < 0).any()
    trainable = sum(parameter.numel() for parameter in before.parameters() if parameter.requires_grad)
    assert (report.num_moved, report.num_values) == (moved, trainable)
    assert moved == trainable - 8  # the biases of the batch norm are 0


def test_the_seed_decides_which_way_and_global_random_numbers_stay() -> None:
    first, same, other = network(), network(), network()
    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    for model, seed in ((first, 3), (same, 3), (other, 4)):
        perturb(model, seed=seed)
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(first_weight(first), first_weight(same))
    assert not torch.equal(first_weight(first), first_weight(other))
