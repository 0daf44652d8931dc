"""report.json and report.html: what a run did to a corpus, made from the tables it is about to publish."""

from pipeline.report.build import RunFacts, build_report, write_report
from pipeline.report.sides import Compare, Passage
from pipeline.report.times import write_times

__all__ = ["Compare", "Passage", "RunFacts", "build_report", "write_report", "write_times"]
