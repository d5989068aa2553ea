"""Where code that calls pip by its inner names looks for it."""
