"""From flags or Python to a run: plugins found, defaults resolved, quirks named, images made."""
