"""Models of the course, one file each, all made with the shape of an image and sensible defaults for the rest."""

from course_utils.models.autoencoder import AutoEncoder, DenoisingAutoEncoder
from course_utils.models.base import AutoregressiveModel, DensityModel
from course_utils.models.diagonal_bilstm import DiagonalBiLSTM
from course_utils.models.diffusion import Diffusion
from course_utils.models.digit_classifier import DigitClassifier
from course_utils.models.flow_matching import FlowMatching
from course_utils.models.fvsbn import FVSBN
from course_utils.models.gan import Discriminator, Generator
from course_utils.models.gated_pixel_cnn import GatedPixelCNN
from course_utils.models.image_gpt import ImageGPT
from course_utils.models.linear_vae import LinearGaussianVAE
from course_utils.models.made import MADE
from course_utils.models.pixel_cnn import PixelCNN
from course_utils.models.planar import Waves, planar_players
from course_utils.models.real_nvp import RealNVP
from course_utils.models.row_lstm import RowLSTM
from course_utils.models.vae import VAE

__all__ = [
    "AutoregressiveModel",
    "DensityModel",
    "FVSBN",
    "MADE",
    "RowLSTM",
    "DiagonalBiLSTM",
    "PixelCNN",
    "GatedPixelCNN",
    "ImageGPT",
    "AutoEncoder",
    "DenoisingAutoEncoder",
    "VAE",
    "LinearGaussianVAE",
    "Generator",
    "Discriminator",
    "Waves",
    "planar_players",
    "Diffusion",
    "FlowMatching",
    "RealNVP",
    "DigitClassifier",
]
