"""Say what to change: what the recorded past shows that money, time or accuracy is lost to, checked on that past."""
