from .fitted import fitted as fitted
from .machine import json_text as json_text
