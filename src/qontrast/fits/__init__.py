"""Maps from what a scanner gives: estimators with their error, arrays in and arrays out."""
