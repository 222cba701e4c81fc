"""``monai-fusion audit``: whether a run's numbers can be trusted, and what a paper about it must still say."""
