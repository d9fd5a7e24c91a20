"""Commands of ``openbragg``: one folder each, found through entry points."""
