"""A trained model as a file or folder that other programs and other people use."""
