"""The panel of the selected adapter: its widgets, and what happens when something in it is chosen."""
