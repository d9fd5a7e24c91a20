"""The command dataset: labelled images by the thousand."""
