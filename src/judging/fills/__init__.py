"""Real fills out of exchanges' trade exports, matched to decisions, and what each of these earned."""
