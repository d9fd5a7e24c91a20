"""``openbragg completion``: the script that teaches a shell."""
