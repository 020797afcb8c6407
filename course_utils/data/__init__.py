"""Data sets of the course: made on the spot, inside a dependency, or real and looked up under COURSE_DATA."""

from course_utils.data.batches import Batches, batches
from course_utils.data.creatures import KINDS, PALETTE, creatures
from course_utils.data.digits import digits, redraw_digits
from course_utils.data.images import Images, from_tokens, to_tokens
from course_utils.data.mesh import Mesh, mesh
from course_utils.data.moons import moon, moon_parameters, moon_phases, nearest_moon
from course_utils.data.palette import cell_log_probs, colour_log_prob, learn_palette, palette_error
from course_utils.data.planar import GaussianMixture2D, grid, ring, spiral, two_moons
from course_utils.data.real import binarized_mnist, cifar10, data_root, fashion_mnist, image_folder, mnist

__all__ = [
    "KINDS",
    "PALETTE",
    "Batches",
    "GaussianMixture2D",
    "Images",
    "Mesh",
    "batches",
    "binarized_mnist",
    "cell_log_probs",
    "cifar10",
    "colour_log_prob",
    "creatures",
    "data_root",
    "digits",
    "fashion_mnist",
    "from_tokens",
    "grid",
    "image_folder",
    "learn_palette",
    "mesh",
    "mnist",
    "moon",
    "moon_parameters",
    "moon_phases",
    "nearest_moon",
    "palette_error",
    "redraw_digits",
    "ring",
    "spiral",
    "to_tokens",
    "two_moons",
]
