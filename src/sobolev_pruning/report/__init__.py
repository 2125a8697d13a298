from .page import render_report as render_report
from .records import Predictions as Predictions
from .records import RemovalRecord as RemovalRecord
from .records import ReportRecord as ReportRecord
from .records import StageRecord as StageRecord
from .records import Timings as Timings
from .terminal import results_table as results_table
