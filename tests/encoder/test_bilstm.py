"""The BiLSTM: batches, and notes that are read in several stretches."""

import pytest
import torch

from clinical_ie.encoder import bilstm
from clinical_ie.encoder.bilstm import BiLSTMNet

LENGTHS = [5, 23, 10, 11, 1, 40]


@pytest.fixture(params=[1, 2], ids=["one layer", "two layers"])
def net(request):
    torch.manual_seed(0)
    return BiLSTMNet(24, 32, request.param).eval()


def one_by_one(net, X):
    """The reference: plain PyTorch, without packing."""
    return torch.cat([
        net.skip(part) + net.lstm(part.unsqueeze(0))[0].squeeze(0) for part in X.split(LENGTHS)
    ])  # fmt: skip


def test_a_batch_is_read_as_its_notes_are_one_by_one(net):
    X = torch.randn(sum(LENGTHS), 24, requires_grad=True)
    together, alone = net(X, LENGTHS, 0.0), one_by_one(net, X)
    assert torch.allclose(together, alone, atol=1e-6)
    weights = torch.randn(together.shape)
    [gradient] = torch.autograd.grad((together * weights).sum(), X, retain_graph=True)
    [expected] = torch.autograd.grad((alone * weights).sum(), X)
    assert torch.allclose(gradient, expected, atol=1e-5)


@pytest.mark.parametrize("stretch", [1, 10, 23, 24])
def test_a_long_note_is_read_in_stretches_as_it_is_at_once(net, stretch, monkeypatch):
    monkeypatch.setattr(bilstm, "STRETCH", stretch)
    X = torch.randn(sum(LENGTHS), 24)
    with torch.no_grad():
        assert torch.allclose(net(X, LENGTHS, 0.0), one_by_one(net, X), atol=1e-6)
