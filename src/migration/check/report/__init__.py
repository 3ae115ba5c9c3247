"""Write the check's results for people and for programs."""
