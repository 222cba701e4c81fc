"""``monai-fusion datalist page``: a cohort as one self-contained page, to look at and to edit; no server, no network.

Nothing here imports torch or MONAI.
"""
