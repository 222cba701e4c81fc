"""A datalist as it is written: its layout, its older states, and what of them would be lost."""
