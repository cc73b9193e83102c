"""Linear layers with weights packed by oneDNN."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from clinical_ie.encoder import linear as layers
from clinical_ie.encoder.linear import Int8Linear, PackedLinear, Quantizer, can_quantize

pytestmark = pytest.mark.skipif(
    not can_quantize(torch.device("cpu")), reason="this build of PyTorch has no oneDNN layers"
)


@pytest.mark.parametrize("gelu", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("fuses", [True, False])
def test_a_packed_layer_is_the_layer(fuses, gelu, bias, monkeypatch):
    monkeypatch.setattr(layers, "_FUSES_GELU", fuses)
    linear = torch.nn.Linear(24, 40, bias=bias)
    X = torch.randn(3, 5, 24)
    expected = linear(X)
    if gelu:
        expected = torch.nn.functional.gelu(expected)
    torch.testing.assert_close(PackedLinear(linear, gelu)(X), expected.detach())


@pytest.mark.parametrize("gelu", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_of_whole_numbers_is_nearly_the_layer(gelu, bias):
    generator = torch.Generator().manual_seed(0)
    linear = torch.nn.Linear(64, 40, bias=bias)
    X = torch.randn(3, 50, 64, generator=generator)
    # One row and one column with outliers.
    X[1, 7] *= 100
    X[..., 5] += 20
    expected = linear(X).detach()
    if gelu:
        expected = torch.nn.functional.gelu(expected)
    found = Int8Linear(linear, gelu, Quantizer())(X)
    assert found.shape == expected.shape
    errors = (found - expected).norm(dim=-1) / expected.norm(dim=-1)
    assert errors.max() < 0.05
    torch.testing.assert_close(Int8Linear(linear, gelu, Quantizer())(X[0, :1]), found[0, :1])


def test_an_input_that_was_changed_in_place_is_looked_at_anew():
    linear, quantize = torch.nn.Linear(8, 8), Quantizer()
    layer = Int8Linear(linear, False, quantize)
    X = torch.randn(4, 8)
    layer(X)
    parts = quantize(X)
    assert quantize(X) is parts
    X.neg_()
    torch.testing.assert_close(layer(X), Int8Linear(linear, False, Quantizer())(X))


def test_products_of_whole_numbers_are_exact_at_their_greatest():
    """Also on processors that add pairs of products in 16 bits."""
    linear = torch.nn.Linear(512, 4, bias=False)
    linear.weight.data = torch.full((4, 512), 63.0) * torch.tensor([[1], [-1], [1], [0]])
    linear.weight.data[2, ::2] = -63
    X = torch.full((2, 512), 255.0)
    X[0, 0] = X[1, ::2] = 0
    torch.testing.assert_close(Int8Linear(linear, False, Quantizer())(X), linear(X).detach())


def test_inference_mode_reads_the_same():
    layer = Int8Linear(torch.nn.Linear(8, 8), False, Quantizer())
    X = torch.randn(4, 8)
    expected = layer(X)
    with torch.inference_mode():
        inside = X.clone()
        torch.testing.assert_close(layer(inside), expected)
        inside.neg_()
        torch.testing.assert_close(layer(inside), layer(-X))


def test_threads_that_share_the_layers_get_each_its_own():
    quantize = Quantizer()
    layer = Int8Linear(torch.nn.Linear(16, 16), False, quantize)
    inputs = [torch.randn(600, 16) for _ in range(4)]
    expected = [layer(X) for X in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            for found, wanted in zip(pool.map(layer, inputs), expected, strict=True):
                torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_weights_are_rounded_to_the_nearest_whole_number():
    linear = torch.nn.Linear(64, 40, bias=False)
    layer = Int8Linear(linear, False, Quantizer())
    # One input each, which is exact: a number and the zero of its row.
    found = layer(torch.eye(64)).T
    error = (found - linear.weight).abs() / layer.scale[:, None]
    assert 0.3 < error.max() <= 0.501
