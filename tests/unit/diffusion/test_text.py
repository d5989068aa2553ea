"""Text encoders: chunks, weights, layers, textual inversion."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from limner.diffusion.chunks import empty
from limner.diffusion.text import TextEncoder


@pytest.fixture
def text(tiny: Any) -> TextEncoder:
    return tiny.text  # type: ignore[no-any-return]


def direct(text: TextEncoder, prompt: str) -> Any:
    """What transformers' own forward gives for the first chunk."""
    ids = torch.tensor([[token for token, _ in text.tokenize(prompt)[0]]])
    with torch.no_grad():
        return text.resident.module(ids, output_hidden_states=True)


def test_plain_prompts_are_the_library_s_own_output(text: TextEncoder) -> None:
    ((vectors, options),) = text.encode("a red apple")
    expected = direct(text, "a red apple")
    assert vectors.shape == (1, 77, 24)
    assert torch.allclose(vectors, expected.last_hidden_state, atol=1e-5)
    assert torch.allclose(options["pooled_output"], expected.pooler_output, atol=1e-5)


def test_weights_move_away_from_the_empty_prompt(text: TextEncoder) -> None:
    plain, none = text.encode("red apple")[0][0], text.encode("")[0][0]
    places = [place for place, (_, weight) in enumerate(text.tokenize("(red:1.5) apple")[0]) if weight == 1.5]
    vectors = text.encode("(red:1.5) apple")[0][0]
    expected = plain.clone()
    expected[:, places] = none[:, places] + (plain - none)[:, places] * 1.5
    assert torch.allclose(vectors, expected, atol=1e-5)
    assert not torch.allclose(vectors, plain, atol=1e-3)


def test_long_prompts_are_laid_end_to_end(text: TextEncoder) -> None:
    prompt = ", ".join(f"word {number}" for number in range(40))
    chunks = text.tokenize(prompt)
    assert len(chunks) > 1
    assert all(len(tokens) == 77 for tokens in chunks)
    ((vectors, options),) = text.encode(prompt)
    assert vectors.shape == (1, 77 * len(chunks), 24)
    assert torch.allclose(vectors[:, :77], direct(text, prompt).last_hidden_state, atol=1e-5)
    assert torch.allclose(options["pooled_output"], direct(text, prompt).pooler_output, atol=1e-5)


def test_short_weighted_pieces_are_not_broken_across_chunks(text: TextEncoder) -> None:
    filler = "a " * 73
    chunks = text.tokenize(filler + "(b b b b:1.2)")
    assert [weight for _, weight in chunks[0] if weight != 1.0] == []
    assert [weight for _, weight in chunks[1][1:5]] == [1.2] * 4


def test_layers_count_from_the_end(text: TextEncoder) -> None:
    hidden = direct(text, "a cat").hidden_states
    norm = text.resident.module.get_submodule("final_layer_norm")
    with torch.no_grad():
        for layer in (-1, -2, -3):
            stopped = text.with_layer(layer).encode("a cat")[0][0]
            assert torch.allclose(stopped, norm(hidden[layer]), atol=1e-5)
    last = text.encode("a cat")[0][0]
    assert torch.equal(text.with_layer(-24).encode("a cat")[0][0], last)
    assert text.layer is None


def test_the_pooled_output_is_the_last_layer_s(text: TextEncoder) -> None:
    pooled = text.with_layer(-2).encode("a cat")[0][1]["pooled_output"]
    assert torch.equal(pooled, text.encode("a cat")[0][1]["pooled_output"])


def with_embedding(text: TextEncoder, folder: Path, tensor: torch.Tensor, name: str = "style") -> TextEncoder:
    from dataclasses import replace

    save_file({"emb_params": tensor}, folder / f"{name}.safetensors")
    return replace(text, embedding_folders=[folder])


def test_an_embedding_takes_the_place_of_tokens(text: TextEncoder, tmp_path: Path) -> None:
    table = text.resident.module.get_parameter("embeddings.token_embedding.weight")
    ids = text.tokenizer.ids("red apple")
    text = with_embedding(text, tmp_path, table[ids].detach().clone())
    assert torch.equal(text.encode("a embedding:style, b")[0][0], text.encode("a red apple, b")[0][0])
    assert text.tokenize("(embedding:style:1.3)")[0][2][1] == 1.3


def test_an_embedding_is_found_by_suffix_and_in_folders(text: TextEncoder, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    text = with_embedding(text, tmp_path / "deep", torch.ones(2, 24))
    from dataclasses import replace

    text = replace(text, embedding_folders=[tmp_path])
    for name in ("style", "style.safetensors", "deep/style"):
        tokens = text.tokenize(f"embedding:{name}")[0]
        assert [isinstance(token, torch.Tensor) for token, _ in tokens[:4]] == [False, True, True, False]


@pytest.mark.parametrize("suffix", ["pt", "bin"])
def test_pickled_embeddings_are_opened_safely(text: TextEncoder, tmp_path: Path, suffix: str) -> None:
    from dataclasses import replace

    torch.save({"string_to_param": {"*": torch.ones(1, 24)}, "name": "x"}, tmp_path / f"style.{suffix}")
    text = replace(text, embedding_folders=[tmp_path])
    assert isinstance(text.tokenize("embedding:style")[0][1][0], torch.Tensor)


@pytest.mark.parametrize("name", ["missing", "../outside", "wide"])
def test_what_cannot_be_used_is_left_out_with_a_warning(text: TextEncoder, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    save_file({"emb_params": torch.ones(1, 24)}, tmp_path / "outside.safetensors")
    text = with_embedding(text, tmp_path / "in", torch.ones(1, 99), "wide")
    with pytest.warns(UserWarning, match=r"left out|ignored"):
        tokens = text.tokenize(f"a embedding:{name} b")
    assert [token for token, _ in tokens[0]] == [token for token, _ in text.tokenize("a b")[0]]


def test_an_empty_prompt_is_one_chunk(text: TextEncoder) -> None:
    assert text.tokenize("") == [empty(text.tokenizer)]
    assert text.encode_tokens([])[0][0].shape == (1, 77, 24)
