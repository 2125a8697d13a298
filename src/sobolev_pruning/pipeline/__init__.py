from .config import RunConfig as RunConfig
from .config_file import read_config as read_config
from .config_file import to_toml as to_toml
from .config_file import write_example_config as write_example_config
from .published import BASKET_R2 as BASKET_R2
from .run import RunResult as RunResult
from .run import run as run
