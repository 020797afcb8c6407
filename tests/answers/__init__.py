"""Answers to every exercise, one file a notebook: right ones in several styles, and the usual wrong ones.

An answer is the body of a lambda in the names below; ``function`` makes it. Shared by the tests in tests/exercises.
"""

import copy
import functools
import math

import numpy as np
import torch
import torch.nn.functional as F

from answers import (
    n00_start_here,
    n01_chain_rule,
    n02_pixel_rnn,
    n03_pixel_cnn,
    n04_colour,
    n05_autoencoder,
    n06_elbo_and_kl,
    n07_vae,
    n08_gan,
    n09_gan_theory,
    n10_how_to_judge,
    n11_gan_losses,
    n12_wasserstein,
    n13_what_came_next,
    n14_face_to_face,
)
from course_utils import divergences, metrics, models

BOOKS = (
    n00_start_here,
    n01_chain_rule,
    n02_pixel_rnn,
    n03_pixel_cnn,
    n04_colour,
    n05_autoencoder,
    n06_elbo_and_kl,
    n07_vae,
    n08_gan,
    n09_gan_theory,
    n10_how_to_judge,
    n11_gan_losses,
    n12_wasserstein,
    n13_what_came_next,
    n14_face_to_face,
)
ARGUMENTS = {name: arguments for book in BOOKS for name, arguments in book.ARGUMENTS.items()}
RIGHT = {name: bodies for book in BOOKS for name, bodies in book.RIGHT.items()}
WRONG = {name: pairs for book in BOOKS for name, pairs in book.WRONG.items()}
RIGHT_ONES = [(name, body) for name, bodies in RIGHT.items() for body in bodies]
BY_CHANCE = {"sample_two_pixels"}  # one entry or "<" for "<=" is no mistake where a distribution is judged


def ring(angle):
    return torch.stack([angle.cos(), angle.sin()], -1)


def lstm(o, f, i, g, c, squash=torch.sigmoid, content=torch.tanh, shown=torch.tanh):
    new = squash(f) * c + squash(i) * content(g)
    return squash(o) * shown(new), new


def taps(weight):
    """Places of a kernel's taps, 0 at its centre."""
    return torch.arange(weight.shape[2]) - weight.shape[2] // 2


NAMES = dict(
    copy=copy,
    divergences=divergences,
    math=math,
    np=np,
    torch=torch,
    F=F,
    ring=ring,
    metrics=metrics,
    models=models,
    lstm=lstm,
    taps=taps,
    reduce=functools.reduce,
)


def function(name, body):
    return eval(f"lambda {ARGUMENTS[name]}: {body}", NAMES)
