"""What can be measured of a set of pictures. Every function says its unit, and whether more is better.

- ``colour``: how colourful pictures are.
- ``moons``: whether they are moons, of which phase, and what lies between two codes of moons.
- ``codes``: which latents are in use.
- ``detail``: how sharp they are.
- ``modes``: which modes of a known mixture a sample has found.
- ``neighbours``: which of two sets lies among the other, by nearest neighbours, of pixels or of features.
- ``copies``: whether a generator returns its training pictures.
- ``distances``: how far apart two distributions are, of features or of points.
- ``windows``: a likelihood that misleads.
"""

from course_utils.metrics.codes import active_units
from course_utils.metrics.colour import chroma, colourfulness, saturation
from course_utils.metrics.copies import Memorisation, memorisation
from course_utils.metrics.detail import high_frequency_power, sharpness
from course_utils.metrics.distances import KernelDistance, energy_distance, frechet_distance, kernel_distance
from course_utils.metrics.modes import ModeCoverage, mode_coverage
from course_utils.metrics.moons import (
    MOON_LIMIT,
    Walk,
    is_moon,
    moon_scores,
    moon_walk,
    phase_distance,
    phases_found,
)
from course_utils.metrics.neighbours import (
    Nearest,
    PrecisionRecall,
    coverage,
    density,
    nearest,
    precision_recall,
    told_apart,
)
from course_utils.metrics.windows import parzen_log_likelihood

__all__ = [
    "MOON_LIMIT",
    "KernelDistance",
    "Memorisation",
    "ModeCoverage",
    "Nearest",
    "PrecisionRecall",
    "Walk",
    "active_units",
    "chroma",
    "colourfulness",
    "coverage",
    "density",
    "energy_distance",
    "frechet_distance",
    "high_frequency_power",
    "is_moon",
    "kernel_distance",
    "memorisation",
    "mode_coverage",
    "moon_scores",
    "moon_walk",
    "nearest",
    "parzen_log_likelihood",
    "phase_distance",
    "phases_found",
    "precision_recall",
    "saturation",
    "sharpness",
    "told_apart",
]
