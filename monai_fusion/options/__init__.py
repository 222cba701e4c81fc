"""The options of a bundle run: read as MONAI reads them, and checked, without importing MONAI or torch."""
