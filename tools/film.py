"""Make docs/film.gif, the README's first picture: what the four parts build, trained here in some minutes.

    python tools/film.py

Left to right: a next-pixel model draws creatures, each pixel where it drew it; a VAE decodes the codes along a circle;
a GAN's samples while it trains, the examples in grey; flow matching carries noise to samples. Nothing is chosen: the
seed is 0 throughout.
"""

import io
import math
from pathlib import Path

import matplotlib
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from course_utils import data, distributions, models, runtime
from course_utils.training import progress
from runner import ROOT, write

SIDE, GAP, TITLE = 184, 16, 26  # pixels: of a panel, between panels, of the line above them
FRAMES, HOLD = 48, 14  # moving, and standing at the end
PAPER, INK, EXAMPLE, SAMPLE = (255, 255, 255), (40, 40, 40), (205, 205, 205), (0, 90, 181)
HIDDEN = 0.93  # grey of a pixel that is not drawn yet


def train(model, optimizer, batches, loss):
    for x in progress(batches):
        value = loss(model, x).mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return model.eval()


# ---- four panels, each a list of FRAMES pictures (SIDE, SIDE) -------------------------------------------------------


def next_pixel():
    """Nine creatures; a pixel that is drawn stays as it is, so that drawing them again shows the order alone."""
    runtime.seed_everything(0)
    creatures = data.creatures(5_000)
    palette = data.learn_palette(creatures.train, 16)
    tokens = torch.cdist(creatures.train.movedim(1, -1), palette).argmin(-1).unsqueeze(1)  # (N, 1, 16, 16)
    model = models.GatedPixelCNN((1, 16, 16), channels=32, layers=5, distribution=distributions.categorical(16))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    train(model, optimizer, data.batches(tokens / 15, 32, steps=1_500), lambda m, x: -m.log_prob(x))
    drawn = (15 * model.sample(9)).round().long().squeeze(1)  # (9, 16, 16)
    pictures = palette[drawn].movedim(-1, 1).flatten(2)  # (9, 3, 256)
    frames = []
    for k in range(FRAMES):
        shown = torch.arange(256) < math.ceil(256 * (k + 1) / FRAMES)
        frames.append(tiles(torch.where(shown, pictures, HIDDEN).view(9, 3, 16, 16)))
    return frames


def walk():
    """Nine walks of a VAE's decoder; each along a circle through two codes, so that the film ends where it began."""
    runtime.seed_everything(0)
    moons = data.moon_phases()
    model = models.VAE(moons.shape, 4, (256, 128), distributions.categorical(17, one_hot=False))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    train(model, optimizer, data.batches(moons.train, 50, steps=2_000), lambda m, x: -m.elbo(x))
    one, other = torch.randn(2, 9, 4)
    turns = [2 * math.pi * k / FRAMES for k in range(FRAMES)]
    with torch.no_grad():
        return [tiles(model.decode(math.cos(t) * one + math.sin(t) * other).mean) for t in turns]


def game():
    """The same 400 noises, and where the generator puts them while it learns eight spots."""
    runtime.seed_everything(0)
    ring = data.ring(std=0.1).sample(10_000, torch.Generator().manual_seed(0))
    generator, discriminator = models.Generator((2,), 2, (128, 128)), models.Discriminator((2,), (128, 128))
    opt_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.99))
    opt_d = torch.optim.Adam(discriminator.parameters(), lr=4e-3, betas=(0.5, 0.99))
    z, frames, steps = torch.randn(400, 2), [], 3_000
    moments = {round((steps - 1) * (k / (FRAMES - 1)) ** 2) for k in range(FRAMES)}  # most happens early
    for k, real in enumerate(progress(data.batches(ring, 256, steps=steps))):
        if k in moments:
            with torch.no_grad():
                frames.append(points(generator(z), ring[:300]))
        fake = generator.sample(len(real))
        loss = (F.softplus(-discriminator(real)) + F.softplus(discriminator(fake.detach()))).mean()
        opt_d.zero_grad()
        loss.backward()
        opt_d.step()
        loss = F.softplus(-discriminator(fake)).mean()
        opt_g.zero_grad()
        loss.backward()
        opt_g.step()
    return frames + [frames[-1]] * (FRAMES - len(frames))


def flow():
    """400 noises on their way from t = 0 to 1."""
    runtime.seed_everything(0)
    ring = data.ring(std=0.1).sample(10_000, torch.Generator().manual_seed(0))
    model = models.FlowMatching((2,), (128, 128))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    train(model, optimizer, data.batches(ring, 256, steps=3_000), lambda m, x: m.matching_loss(x))
    x, frames = torch.randn(400, 2), []
    with torch.no_grad():
        for k in range(FRAMES):
            frames.append(points(x, ring[:300]))
            x = x + model.velocity(x, torch.full((400,), k / FRAMES)) / FRAMES
    return frames


# ---- pictures --------------------------------------------------------------------------------------------------------


def tiles(x: Tensor, columns: int = 3, gap: int = 4) -> Image.Image:
    """Nine pictures (9, C, 16, 16) in [0, 1] as one."""
    side = (SIDE - gap * (columns - 1)) // columns
    sheet = Image.new("RGB", (SIDE, SIDE), PAPER)
    levels = (255 * x.clamp(0, 1)).round().byte().expand(-1, 3, -1, -1).movedim(1, -1).contiguous().numpy()
    for k, pixels in enumerate(levels):
        tile = Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)
        sheet.paste(tile, (k % columns * (side + gap), k // columns * (side + gap)))
    return sheet


def points(samples: Tensor, examples: Tensor, half: float = 1.7, fine: int = 3) -> Image.Image:
    """Points of the plane: samples over examples."""
    sheet = Image.new("RGB", (fine * SIDE, fine * SIDE), PAPER)
    draw = ImageDraw.Draw(sheet)
    for cloud, colour, radius in ((examples, EXAMPLE, 1.6 * fine), (samples, SAMPLE, 1.3 * fine)):
        for x, y in ((cloud / half + 1) / 2 * fine * SIDE).tolist():
            draw.ellipse((x - radius, fine * SIDE - y - radius, x + radius, fine * SIDE - y + radius), fill=colour)
    draw.rectangle((0, 0, fine * SIDE - 1, fine * SIDE - 1), outline=EXAMPLE, width=fine)
    return sheet.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def film(panels: dict[str, list[Image.Image]]) -> bytes:
    """The panels side by side, titled, as a GIF that repeats."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    font = ImageFont.truetype(str(folder / "DejaVuSans-Bold.ttf"), 13)
    strips = []
    for k in range(FRAMES):
        strip = Image.new("RGB", (len(panels) * (SIDE + GAP) - GAP, SIDE + TITLE), PAPER)
        draw = ImageDraw.Draw(strip)
        for i, (title, frames) in enumerate(panels.items()):
            draw.text((i * (SIDE + GAP), 4), title, font=font, fill=INK)
            strip.paste(frames[k], (i * (SIDE + GAP), TITLE))
        strips.append(strip)
    # one palette for all frames, or colours would flicker
    palette = strips[-1].quantize(96, dither=Image.Dither.NONE)
    first, *rest = [strip.quantize(palette=palette, dither=Image.Dither.NONE) for strip in strips]
    file = io.BytesIO()
    moments = [90] * (FRAMES - 1) + [90 * HOLD]  # milliseconds
    first.save(file, "GIF", save_all=True, append_images=rest, duration=moments, loop=0, optimize=True)
    return file.getvalue()


def main():
    panels = {
        "Predict the next pixel": next_pixel(),
        "Encode and decode": walk(),
        "Play a game": game(),
        "What came next: flows": flow(),
    }
    content = film(panels)
    write(ROOT / "docs" / "film.gif", content)
    print(f"docs/film.gif: {len(content) / 1024:.0f} kB")


if __name__ == "__main__":
    main()
