"""Transfer methods, one file each. Their names are the values of ``vlmbench run --transfer``."""
