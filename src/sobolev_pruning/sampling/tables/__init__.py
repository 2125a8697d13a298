from .read import read_table as read_table
from .table import NotNumbers as NotNumbers
from .table import Table as Table
from .table import numbers as numbers
