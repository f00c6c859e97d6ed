"""Temporal masked autoencoding (TMAE, Hu et al., ICME 2022), on whole frames.

Half of a clip is hidden along time, a vision transformer predicts it from the other half, and what it predicts badly is
abnormal. The paper takes clips of moving foreground, found by detectors; a fault of a lens is no object, so a token is
a tile of the whole frame. Its branch on optical flow is left out.
"""

import torch
from torch import Tensor, nn

from .clip_method import ClipMethod

CLIP, TILE = 8, 16  # frames, and the side of a token in pixels
ENCODER_LAYERS, DECODER_LAYERS = 4, 2
TOKENS = (80 // TILE) ** 2  # of a frame
# Which frames are hidden when the last one is judged: two ways, of which the mean is taken.
JUDGED = ((1, 3, 5, 7), (4, 5, 6, 7))


def to_tokens(clips: Tensor) -> Tensor:
    """Cut clips [B, T, 80, 80] into tiles [B, T, 25, 256]."""
    rows = clips.unflatten(3, (-1, TILE)).unflatten(2, (-1, TILE))  # [B, T, 5, 16, 5, 16]
    return rows.transpose(3, 4).flatten(4).flatten(2, 3)


def to_frames(tokens: Tensor) -> Tensor:
    """Put tiles [B, T, 25, 256] together again: [B, T, 80, 80]."""
    side = 80 // TILE
    return tokens.unflatten(2, (side, side)).unflatten(4, (TILE, TILE)).transpose(3, 4).flatten(4, 5).flatten(2, 3)


class Tmae(ClipMethod):
    """Predicts the hidden frames of a clip from the visible ones. The encoder never sees a hidden token."""

    frames = CLIP

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        width, decoder_width = 8 * channels, 4 * channels
        self.embed = nn.Linear(TILE**2, width)
        self.places = nn.Parameter(0.02 * torch.randn(CLIP, TOKENS, width))
        self.encoder = _transformer(width, ENCODER_LAYERS)
        self.narrow = nn.Linear(width, decoder_width)
        self.hidden_token = nn.Parameter(0.02 * torch.randn(decoder_width))
        self.decoder_places = nn.Parameter(0.02 * torch.randn(CLIP, TOKENS, decoder_width))
        self.decoder = _transformer(decoder_width, DECODER_LAYERS)
        self.render = nn.Linear(decoder_width, TILE**2)

    def predict(self, clips: Tensor, hidden: Tensor) -> Tensor:
        """Predict the frames `hidden` [H] of clips [B, 8, 80, 80]: tokens [B, H, 25, 256]."""
        batch = len(clips)
        visible = torch.tensor([frame for frame in range(CLIP) if frame not in hidden.tolist()], device=clips.device)
        seen = self.embed(to_tokens(clips[:, visible])) + self.places[visible]  # [B, V, 25, width]
        coded = self.narrow(self.encoder(seen.flatten(1, 2))).unflatten(1, (len(visible), TOKENS))
        known = coded + self.decoder_places[visible]
        asked = (self.hidden_token + self.decoder_places[hidden]).expand(batch, -1, -1, -1)
        decoded = self.decoder(torch.cat([known, asked], 1).flatten(1, 2)).unflatten(1, (CLIP, TOKENS))
        return self.render(decoded[:, len(visible) :])

    def loss(self, clips: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Return the mean squared error of the hidden tokens, of four frames drawn at random."""
        drawn = torch.randperm(CLIP, generator=generator, device=generator.device)[: CLIP // 2]
        hidden = drawn.sort().values.to(clips.device)
        return (self.predict(clips, hidden) - to_tokens(clips[:, hidden])).square().mean()

    def expected(self, clips: Tensor) -> Tensor:
        return self._judged(clips, JUDGED[0]).clamp(0, 1)

    def scores(self, clips: Tensor) -> Tensor:
        errors = [(self._judged(clips, hidden) - clips[:, -1:]).square().flatten(1).mean(1) for hidden in JUDGED]
        return torch.stack(errors).mean(0)

    def _judged(self, clips: Tensor, hidden: tuple[int, ...]) -> Tensor:
        """Predict the last frame [B, 1, 80, 80], with these hidden."""
        return to_frames(self.predict(clips, torch.tensor(hidden, device=clips.device))[:, -1:])


def _transformer(width: int, layers: int) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        width, nhead=4, dim_feedforward=4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)
