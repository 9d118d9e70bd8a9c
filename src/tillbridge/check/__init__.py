"""What `tillbridge check` concludes: from facts to a table of passed, warned and failed. Pure.

The facts are gathered by `cli/checking.py` and `cli/check_sides.py`, with at most ten requests to
each vendor.
"""
