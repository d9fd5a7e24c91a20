"""From an experiment to photons: the plan of the sum, its one evaluation, and the image."""
