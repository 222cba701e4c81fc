"""Reading the recordings' files: one reader for each format, for ``datalist check --deep`` and the transforms alike.

Both ask the same code, so that they cannot disagree about a file. Nothing here imports torch or MONAI, and this page
nothing at all: a check that opens no file does not wait for nibabel.
"""
