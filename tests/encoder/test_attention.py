"""Attention in bfloat16 on a CPU."""

import pytest
import torch

from clinical_ie.encoder.attention import PlainAttention, attend

fused = torch.nn.functional.scaled_dot_product_attention


def rounded(*shape):
    """Numbers that bfloat16 represents exactly, so that both sides have the same input."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).bfloat16()


SEEN = torch.tensor([True, True, False, True, False, True]).view(1, 1, 1, 6)
MASKS = {"no mask": None, "hidden": SEEN, "added": torch.where(SEEN, 0.0, -1e38)}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("scale", [None, 0.5])
def test_the_plain_way_gives_what_the_fused_one_gives(mask, scale):
    query, key, value = (rounded(2, 3, 6, 8).roll(n, 0) for n in range(3))
    with PlainAttention():
        plain = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=scale
        )
    exact = fused(query.float(), key.float(), value.float(), attn_mask=mask, scale=scale)
    assert plain.dtype is torch.bfloat16
    assert torch.allclose(plain.float(), exact, atol=0.03)


@pytest.mark.parametrize("mask", [torch.tensor(False), torch.tensor(torch.finfo(torch.float).min)])
def test_a_position_that_sees_none_gets_a_number(mask):
    """As padding does in local attention; where it is seen, it would spoil all others."""
    X = rounded(1, 2, 6, 8).requires_grad_()
    Y = attend(X, X, X, mask.expand(1, 1, 6, 6))
    Y.sum().backward()
    assert Y.isfinite().all()
    assert X.grad.isfinite().all()


def test_only_bfloat16_goes_the_plain_way(monkeypatch):
    called = []
    monkeypatch.setattr(
        "clinical_ie.encoder.attention.attend",
        lambda *args, **kwargs: called.append(args) or attend(*args, **kwargs),
    )
    X = rounded(1, 2, 6, 8)
    with PlainAttention():
        torch.nn.functional.scaled_dot_product_attention(X.float(), X.float(), X.float())
        torch.nn.functional.scaled_dot_product_attention(X, X, X, is_causal=True)
        torch.nn.functional.scaled_dot_product_attention(X, X, X, None, 0.0, True)
        assert not called
        torch.nn.functional.scaled_dot_product_attention(X, X, X)
        assert len(called) == 1


def test_weights_are_dropped_where_asked():
    X = rounded(1, 2, 6, 8)
    assert not attend(X, X, X, dropout_p=1.0).any()
