"""Figures of the course: one style, one colour a family, everywhere. Importing this package sets the style.

Each figure is one call, which makes and shows it; a function that is given axes only draws on them. By kind:
``samples`` (images), ``colours`` (palettes), ``fields`` (points, densities, matrices, codes), ``curves`` (numbers over
numbers), ``densities`` (on a line), ``comparisons`` (models side by side), ``mechanisms`` (masks, kernels, receptive
fields) and ``networks`` (boxes and arrows). ``plots.curves`` and ``plots.samples`` are the functions, not the files of
these names.
"""

from course_utils.plots.against import against
from course_utils.plots.bounds import elbo_and_gap, guesses
from course_utils.plots.colours import swatches
from course_utils.plots.comparisons import dots
from course_utils.plots.contest import clouds, endings, growth, runs
from course_utils.plots.curves import band, curves, training
from course_utils.plots.densities import densities
from course_utils.plots.fields import atlas, codes, matrix, plane, planes
from course_utils.plots.films import film
from course_utils.plots.flows import coupling, moments, paths
from course_utils.plots.judging import balls, sees
from course_utils.plots.mechanisms import kernel, masks, receptive_field, receptive_fields, skewed, two_stacks
from course_utils.plots.networks import (
    attention_step,
    encoder_decoder,
    families,
    gan_step,
    gated_layer,
    gated_unit,
    lstm_step,
    masked_network,
    two_noises,
)
from course_utils.plots.parallel import data_parallel
from course_utils.plots.samples import images, samples, tile
from course_utils.plots.style import COLOURS, CYCLE, LABELS, show_source
from course_utils.plots.transport import heights, orbits, transport
from course_utils.plots.walks import walks

__all__ = [
    "COLOURS",
    "CYCLE",
    "LABELS",
    "against",
    "atlas",
    "attention_step",
    "balls",
    "band",
    "clouds",
    "codes",
    "coupling",
    "curves",
    "data_parallel",
    "densities",
    "dots",
    "elbo_and_gap",
    "encoder_decoder",
    "endings",
    "families",
    "film",
    "gan_step",
    "gated_layer",
    "gated_unit",
    "growth",
    "guesses",
    "heights",
    "images",
    "kernel",
    "lstm_step",
    "masked_network",
    "masks",
    "matrix",
    "moments",
    "orbits",
    "paths",
    "plane",
    "planes",
    "receptive_field",
    "receptive_fields",
    "runs",
    "samples",
    "sees",
    "show_source",
    "skewed",
    "swatches",
    "tile",
    "training",
    "transport",
    "two_noises",
    "two_stacks",
    "walks",
]
