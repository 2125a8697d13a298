"""The explorer: a page that moves the inputs of a surrogate by hand."""

from .page import TrueSlice as TrueSlice
from .page import explorer_page as explorer_page
from .page import explorer_part as explorer_part
from .page import page_around as page_around
