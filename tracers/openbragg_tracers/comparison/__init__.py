"""``openbragg compare-traces``: two traces of the same pixels held against each other."""
