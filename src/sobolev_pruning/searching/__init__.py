from .candidates import Candidate as Candidate
from .shrink import Shrink as Shrink
from .shrink import shrink as shrink
from .tolerance import Tolerance as Tolerance
