from .gaussian_basket import GaussianBasket as GaussianBasket
from .model import AbstractReference as AbstractReference
