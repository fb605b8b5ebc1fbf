"""The selected adapter as HTML, one file for each part of the panel.

Each function renders what an AdapterProfile (or a Fit, or Revisions) says and asks nobody for more.
"""
