"""Helpers of the course *What I Cannot Create*: data, models, checks and figures."""

from course_utils._torchvision import prepare_torchvision

prepare_torchvision()  # before anything imports torchvision, which cannot be imported beside a CPU build of torch
