"""Dictionary transforms for the two recordings; imported as ``monai_fusion.transforms`` and under no other name."""

if __name__ != "monai_fusion.transforms":
    # A second import name would make second classes: isinstance() fails and pickles cannot be read back.
    raise ImportError(f"import monai_fusion.transforms instead of {__name__}")
