"""Public cohorts: what there is, where it lies, how it comes here whole, and who the people in it are."""
