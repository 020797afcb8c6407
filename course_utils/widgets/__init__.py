"""Widgets: a thin layer over pure functions, which degrades to a picture where no kernel runs.

What a widget shows is computed by pure functions; the browser's part are a .js and a .css file beside each module, with
what all share, common.js and common.css, set before them. The output of a cell holds both, the widget and a still
picture: JupyterLab shows the widget while its kernel runs, every other reader the picture. Stored outputs keep only the
picture, because JupyterLab, in a notebook that it trusts, shows an error message in place of a widget whose kernel is
gone, picture or no picture.

    painter            paint or erase pixels of a picture, and a model draws the others
    kl_curves          exp(s), 1 + s, their difference and m²: the KL of a Gaussian, step by step
    latent_explorer    drag a point on the plane of two-dimensional codes, and see it decoded
    game_curves        cost and gradient of a generator's three games against the discriminator's logit
    training_scrubber  play frames of a training on points: samples, the discriminator's field, the push
    picture_slider     drag through the values of a setting, and see a row of pictures for each
"""

from course_utils.widgets.curves import KLCurves, KLParts, curves_picture, kl_curves, kl_parts
from course_utils.widgets.explorer import LatentExplorer, explore, explorer_picture, latent_explorer
from course_utils.widgets.games import GAME_STYLES, GameCurves, GameValue, game_curves, game_values, games_picture
from course_utils.widgets.painting import Painter, finish, painter, picture, to_rgb
from course_utils.widgets.scrubber import Frame, TrainingScrubber, scrubber_picture, training_scrubber, watch
from course_utils.widgets.slider import PictureSlider, picture_slider, slider_picture

__all__ = [
    "GAME_STYLES",
    "Frame",
    "GameCurves",
    "GameValue",
    "KLCurves",
    "KLParts",
    "LatentExplorer",
    "Painter",
    "PictureSlider",
    "TrainingScrubber",
    "curves_picture",
    "explore",
    "explorer_picture",
    "finish",
    "game_curves",
    "game_values",
    "games_picture",
    "kl_curves",
    "kl_parts",
    "latent_explorer",
    "painter",
    "picture",
    "picture_slider",
    "scrubber_picture",
    "slider_picture",
    "to_rgb",
    "training_scrubber",
    "watch",
]
