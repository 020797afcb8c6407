"""A checker for every exercise: it says whether an answer is right and, if not, what is likely wrong. It never raises.

Each checker compares the reader's function with the right one on a few inputs, and then with the usual wrong ones; an
answer that agrees with a wrong one everywhere gets the hint that belongs to it. One file a notebook; ``judge`` has what
they share.
"""

import inspect
from collections.abc import Callable

from course_utils.exercises.n00_start_here import (
    log_density,
    log_normal,
    loss_from_logits,
    ring_centres,
    sample_two_pixels,
)
from course_utils.exercises.n01_chain_rule import bits_per_dim, made_masks, masked_linear, mean_nll
from course_utils.exercises.n01_network import build_made
from course_utils.exercises.n02_pixel_rnn import completion_nats, lstm_step, merge, skew, state_to_state
from course_utils.exercises.n02_row_lstm import build_row_lstm_layer
from course_utils.exercises.n03_convolution import build_masked_conv
from course_utils.exercises.n03_network import build_pixel_cnn
from course_utils.exercises.n03_pixel_cnn import causal_mask, mixes_images, rightmost, shift_down
from course_utils.exercises.n04_attention import build_attention
from course_utils.exercises.n04_colour import grey_log_prob, log_bin, log_p_in_cell, to_tokens
from course_utils.exercises.n05_autoencoder import code_size, denoising_loss, pca_error, phase_between
from course_utils.exercises.n05_network import build_autoencoder
from course_utils.exercises.n06_elbo_and_kl import code_and_kl, gaussian_kl, kl_of_two, minus_bound
from course_utils.exercises.n06_estimate import build_elbo
from course_utils.exercises.n07_network import build_vae
from course_utils.exercises.n07_vae import active_units, effective_beta, find_the_bug_vae, free_bits
from course_utils.exercises.n08_gan import detached_loss, generator_loss, smoothed_rest, suspicious
from course_utils.exercises.n08_step import build_gan_step
from course_utils.exercises.n09_discriminator import build_discriminator
from course_utils.exercises.n09_gan_theory import best_discriminator, jsd_bound, jsd_by_draws
from course_utils.exercises.n10_how_to_judge import build_precision_recall, fair, frechet_of, precision
from course_utils.exercises.n11_gan_losses import effective_share, likelihood_loss, relativistic_loss
from course_utils.exercises.n11_objective import build_objective
from course_utils.exercises.n12_penalty import build_gradient_penalty
from course_utils.exercises.n12_wasserstein import between, slow_rate, w1_line
from course_utils.exercises.n13_coupling import build_coupling
from course_utils.exercises.n13_what_came_next import coupling_log_det, flow_log_prob, matching_pair, noisy, step_mean
from course_utils.exercises.n14_face_to_face import ahead, build_mark, leaderboard, surprise_bound
from course_utils.exercises.n15_save import build_save
from course_utils.exercises.n15_scale_up import averaged, my_rows

__all__ = [
    "log_density",
    "log_normal",
    "ring_centres",
    "loss_from_logits",
    "sample_two_pixels",
    "bits_per_dim",
    "made_masks",
    "masked_linear",
    "mean_nll",
    "build_made",
    "build_row_lstm_layer",
    "completion_nats",
    "lstm_step",
    "merge",
    "skew",
    "state_to_state",
    "causal_mask",
    "mixes_images",
    "build_masked_conv",
    "build_pixel_cnn",
    "rightmost",
    "shift_down",
    "build_attention",
    "grey_log_prob",
    "log_bin",
    "log_p_in_cell",
    "to_tokens",
    "code_size",
    "denoising_loss",
    "pca_error",
    "phase_between",
    "build_autoencoder",
    "code_and_kl",
    "build_elbo",
    "gaussian_kl",
    "kl_of_two",
    "minus_bound",
    "active_units",
    "effective_beta",
    "free_bits",
    "find_the_bug_vae",
    "build_vae",
    "build_gan_step",
    "detached_loss",
    "discriminator_loss",
    "generator_loss",
    "smoothed_rest",
    "suspicious",
    "best_discriminator",
    "build_discriminator",
    "jsd_bound",
    "jsd_by_draws",
    "effective_share",
    "likelihood_loss",
    "relativistic_loss",
    "build_objective",
    "between",
    "slow_rate",
    "w1_line",
    "build_gradient_penalty",
    "build_precision_recall",
    "fair",
    "frechet_of",
    "precision",
    "ahead",
    "build_mark",
    "leaderboard",
    "surprise_bound",
    "coupling_log_det",
    "flow_log_prob",
    "matching_pair",
    "noisy",
    "step_mean",
    "build_coupling",
    "averaged",
    "build_save",
    "my_rows",
]


def discriminator_loss(answer: Callable) -> None:
    """A discriminator's loss, of logits (exercise of 00) or of networks and points (08): the arguments say which."""
    try:
        inspect.signature(answer).bind("G", "D", "x", "z")
    except (TypeError, ValueError):
        loss_from_logits(answer)
    else:
        detached_loss(answer)
