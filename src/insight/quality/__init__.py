"""Judge replies without labels: their form, the numbers they cite, whether repeats agree, and how the actions drift."""
